"""Every key of a unit from the radio master and a salt of its own: HKDF-SHA256 (RFC 5869). Pure.

The master never leaves the operator's folder; from a derived key neither it nor another can be found. The salt is drawn
anew each time that a key is made and lies in the plain register: it is no secret, and without it no key is made twice.
So no new unit changes the vault, and one copy of it in a safe stays good (decisions/026).
"""

import hashlib
import hmac
import secrets

SALT_BYTES = 16
MASTER_BYTES = 32
LINK, HOP, PAIR, SIGN, TLS, WIFI, PERMIT = "link", "hop", "pair", "sign", "tls", "wifi", "permit"
WIFI_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is read for another
WIFI_LENGTH = 12  # 59 bits behind WPA2's own slowness


def new_salt() -> str:
    """A fresh salt, 32 hexadecimal digits."""
    return secrets.token_hex(SALT_BYTES)


def derive(master: bytes, purpose: str, unit: str, salt: str, size: int) -> bytes:
    """`size` bytes for this purpose of this unit; `salt`: as `new_salt` drew it."""
    extracted = hmac.new(bytes.fromhex(salt), master, hashlib.sha256).digest()
    info = f"pugmark 1 {purpose} {unit}".encode()
    found, block, count = b"", b"", 0
    while len(found) < size:
        count += 1
        block = hmac.new(extracted, block + info + bytes([count]), hashlib.sha256).digest()
        found += block
    return found[:size]


def wifi_words(secret: bytes) -> str:
    """The password of a trap's access point, to be typed from its label; `secret`: 32 derived bytes."""
    number = int.from_bytes(secret, "big")
    letters = []
    for _ in range(WIFI_LENGTH):
        number, at = divmod(number, len(WIFI_LETTERS))
        letters.append(WIFI_LETTERS[at])
    return "-".join("".join(letters[at : at + 4]) for at in range(0, WIFI_LENGTH, 4))
