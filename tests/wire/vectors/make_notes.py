"""Prints the vectors of notes as JSON. They are frozen: this shows how they were made, and is run to add to them.

The fields are spelt out once more from PROTOCOL.md, section 13: the code that is tested has no part in them.
"""

import json
from binascii import hexlify

from nacl.signing import SigningKey

SEED = bytes(range(0x20, 0x40))
TRAP, EPOCH, NUMBER = 513, 0xC0FFEE01, 812
TIME = (1794700800000 - 1577836800000).to_bytes(5, "big")  # 2026-11-15 00:00:00 UTC
DAY = 2509  # 2026-11-14


def note(kind: int, code: int, fields: bytes) -> str:
    said = bytes([kind, 1]) + TIME + bytes([code]) + fields
    key = TRAP.to_bytes(2, "big") + EPOCH.to_bytes(4, "big") + NUMBER.to_bytes(4, "big")
    return (said + SigningKey(SEED).sign(b"pugmark-note-1\0" + key + said).signature).hex()


# 1,300 of 1,440 minutes on watch, 1,200 seen, 20 off; snowed in and a service visit; 14 triggers, 12 bursts, 3
# sightings, 9 starts; after opening. The clock within 320 ms.
day = b"".join(v.to_bytes(2, "big") for v in (DAY, 1300, 1200, 20, 0x0102, 14, 12, 3)) + bytes([9, 1])
print(
    json.dumps(
        {
            "public_key": hexlify(bytes(SigningKey(SEED).verify_key)).decode(),
            "day": note(1, 42, day),
            "opened": note(2, 255, (90721).to_bytes(4, "big")),
            "moved": note(3, 42, bytes.fromhex("006effceffd8")),  # 110 right, 50 up, 4 degrees
        },
        indent=1,
    )
)
