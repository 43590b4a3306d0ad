"""Prints the vectors of settings packs as JSON. They are frozen: this shows how they were made, to add to them.

The fields are spelt out once more from PROTOCOL.md, section 17: the code that is tested has no part in them. The stored
form of deflate is written, which every library writes alike.
"""

import json
from hashlib import sha256

from nacl.signing import SigningKey

SEED = bytes(range(0x20, 0x40))
PACK = b'pugmark-pack 1 KEY SIGNATURE\nname = "Amur"\nversion = "2026.12.1"\n[mcu]\npicture_min = 720\n'
RELEASE, VERSION = b"2026.12.2", b"2026.12.1+0123abcd"
SERIAL, BACK_FROM, BUILT_S, UNTIL_S = 17, 16, 1796083200, 1827619200
OTHERS = {"application": "11" * 32, "model": "22" * 32}


def packed() -> bytes:
    rest = sha256("".join(f"{part} {digest}\n" for part, digest in sorted(OTHERS.items())).encode()).digest()[:16]
    numbers = b"".join(number.to_bytes(4, "big") for number in (SERIAL, BACK_FROM, BUILT_S, UNTIL_S))
    stored = b"\x01" + len(PACK).to_bytes(2, "little") + (len(PACK) ^ 0xFFFF).to_bytes(2, "little") + PACK
    head = b"\x01" + numbers + rest + len(PACK).to_bytes(2, "big")
    fields = head + bytes([len(RELEASE)]) + RELEASE + bytes([len(VERSION)]) + VERSION + stored
    return fields + SigningKey(SEED).sign(b"pugmark-radio-pack-1\0" + fields).signature


if __name__ == "__main__":
    said = {
        "key": bytes(SigningKey(SEED).verify_key).hex(),
        "release": RELEASE.decode(),
        "version": VERSION.decode(),
        "serial": SERIAL,
        "back_from": BACK_FROM,
        "built_s": BUILT_S,
        "until_s": UNTIL_S,
        "others": OTHERS,
        "pack": PACK.decode(),
        "bytes": packed().hex(),
    }
    print(json.dumps(said, indent=1))
