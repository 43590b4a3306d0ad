"""Prints the vectors of notes as JSON. They are frozen: this shows how they were made, and is run to add to them.

The fields are spelt out once more from PROTOCOL.md, section 13: the code that is tested has no part in them.
"""

import json
from binascii import hexlify
from hashlib import blake2b

from nacl.bindings import crypto_box
from nacl.public import PrivateKey
from nacl.signing import SigningKey

SEED = bytes(range(0x20, 0x40))
TRAP, EPOCH, NUMBER = 513, 0xC0FFEE01, 812
TIME = (1794700800000 - 1577836800000).to_bytes(5, "big")  # 2026-11-15 00:00:00 UTC
DAY = 2509  # 2026-11-14


def note(kind: int, code: int, fields: bytes) -> str:
    said = bytes([kind, 1]) + TIME + bytes([code]) + fields
    key = TRAP.to_bytes(2, "big") + EPOCH.to_bytes(4, "big") + NUMBER.to_bytes(4, "big")
    return (said + SigningKey(SEED).sign(b"pugmark-note-1\0" + key + said).signature).hex()


def box(data: bytes) -> bytes:
    """A libsodium sealed box whose one-time key is not drawn, so that the vector can be made again."""
    base, once = PrivateKey(bytes(range(32))).public_key, PrivateKey(bytes(range(0x40, 0x60)))
    nonce = blake2b(bytes(once.public_key) + bytes(base), digest_size=24).digest()
    return bytes(once.public_key) + crypto_box(data, nonce, bytes(base), bytes(once))


# As `trapkit.cards` has them.
CARD = (
    '{"type":"card","action":"place","station":"S001","side":"left","who":"A. Ivanova","at_ms":1794700800000,'
    '"uncertainty_ms":320,"latitude":43.10021,"longitude":131.40017,"height_cm":45,"bearing_deg":310}'
)
SAMPLE = (
    '{"type":"sample","barcode":"PM-0042","kind":"scat","kept":"ethanol","station":"S001","who":"A. Ivanova",'
    '"at_ms":1794700800000,"sighting":812}'
)

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
            "base_key": bytes(range(32)).hex(),
            "card": note(4, 42, box(CARD.encode())),
            "card_says": CARD,
            "sample": note(5, 255, box(SAMPLE.encode())),
            "sample_says": SAMPLE,
            # ["2026.12.1", "2027.1.0", 5, "does-not-start"]
            "update": note(6, 42, b"\x84\x692026.12.1\x682027.1.0\x05\x6edoes-not-start"),
            # 200 bursts; 3 that only the old one keeps, 5 only the new one, 1 that only the old one withholds
            "shadow": note(7, 42, bytes.fromhex("b1fc49b900c8000300050001000001")),
        },
        indent=1,
    )
)
