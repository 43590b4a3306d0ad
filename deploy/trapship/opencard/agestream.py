"""`age` files whose end nobody knows, or whose end is gone: read chunk by chunk (age-encryption.org/v1).

pyrage opens whole files only. On a smashed card a file's length may be lost with its folder, and its tail with a bad
block; each 64 KiB of it proves itself, so what comes before is as good as ever.
"""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAGIC = b"age-encryption.org/v1\n"
MAX_HEADER_BYTES = 8 * 1024  # eight recipients have 800
CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
NONCE_BYTES = 16
BLOCK_BYTES = 4096  # files begin and end in such blocks; the rest of a file's last one is zeros
MOST_ZEROS = 4  # a file's own last bytes may be zeros too; five of them once in 10^12 files
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """`plain`: what was inside; `size`: bytes of the file as far as they prove themselves; `whole`: to its end."""

    plain: bytes
    size: int
    whole: bool


def secret_bytes(text: str) -> bytes:
    """The 32 bytes in AGE-SECRET-KEY-1…, whose checksum pyrage has verified already (Bech32, BIP 173)."""
    data = text.strip().lower().rpartition("1")[2][:-6]
    number = 0
    for letter in data:
        number = number << 5 | _BECH32.index(letter)
    return (number >> (len(data) * 5 - 256)).to_bytes(32, "big")


def read(data: bytes, secrets: Sequence[bytes], *, exact: bool = False) -> Opened | None:
    """What an `age` file at the beginning of `data` holds, as far as it goes; None: not for these X25519 secrets.

    exact: `data` is the file and nothing behind it. Otherwise its end is looked for at the ends of blocks.
    """
    header = _header(data)
    if header is None:
        return None
    stanzas, mac_at, begin = header
    for secret in secrets:
        for ephemeral, wrapped in stanzas:
            file_key = _unwrap(secret, ephemeral, wrapped)
            if file_key is not None and _mac_is_right(file_key, data, mac_at):
                return _chunks(data, begin, file_key, exact=exact)
    return None


def _header(data: bytes) -> tuple[list[tuple[bytes, bytes]], int, int] | None:
    """The X25519 stanzas, where the MAC's line ends what it covers, and where the nonce begins."""
    mac_at = data.find(b"\n---", 0, MAX_HEADER_BYTES)
    end = data.find(b"\n", mac_at + 1, MAX_HEADER_BYTES) if mac_at >= 0 else -1
    if not data.startswith(MAGIC) or end < 0 or len(data) < end + 1 + NONCE_BYTES:
        return None
    stanzas = []
    lines = data[len(MAGIC) : mac_at].split(b"\n")
    for line, body in pairwise(lines):
        parts = line.split(b" ")
        if parts[0] == b"->" and len(parts) == 3 and parts[1] == b"X25519":
            ephemeral, wrapped = _unbase64(parts[2]), _unbase64(body)
            if len(ephemeral) == 32 and len(wrapped) == 32:
                stanzas.append((ephemeral, wrapped))
    return stanzas, mac_at + len(b"\n---"), end + 1


def _unbase64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""


def _hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(key)


def _unwrap(secret: bytes, ephemeral: bytes, wrapped: bytes) -> bytes | None:
    own = X25519PrivateKey.from_private_bytes(secret)
    public = own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        key = _hkdf(shared, ephemeral + public, b"age-encryption.org/v1/X25519")
        return ChaCha20Poly1305(key).decrypt(bytes(12), wrapped, None)
    except (InvalidTag, ValueError):  # for another key; or a point that no honest sealer makes
        return None


def _mac_is_right(file_key: bytes, data: bytes, mac_at: int) -> bool:
    end = data.index(b"\n", mac_at)
    made = hmac.digest(_hkdf(file_key, b"", b"header"), data[:mac_at], "sha256")
    return hmac.compare_digest(made, _unbase64(data[mac_at:end].strip()))


def _chunks(data: bytes, begin: int, file_key: bytes, *, exact: bool) -> Opened:
    cipher = ChaCha20Poly1305(_hkdf(file_key, data[begin : begin + NONCE_BYTES], b"payload"))
    at, number, plain = begin + NONCE_BYTES, 0, bytearray()
    while at < len(data):
        chunk = data[at : at + CHUNK_BYTES + TAG_BYTES]
        opened = _open(cipher, number, chunk, last=False) if len(chunk) == CHUNK_BYTES + TAG_BYTES else None
        if opened is None:
            size, opened = _last(cipher, number, data, at, exact=exact)
            if opened is None:
                break
            return Opened(plain=bytes(plain + opened), size=at + size, whole=True)
        plain += opened
        at, number = at + len(chunk), number + 1
    return Opened(plain=bytes(plain), size=at, whole=False)


def _last(cipher: ChaCha20Poly1305, number: int, data: bytes, at: int, *, exact: bool) -> tuple[int, bytes | None]:
    """The last chunk, wherever it ends: its bytes, and what is in it, or None where none proves itself."""
    for size in [len(data) - at] if exact else _ends(data, at):
        opened = _open(cipher, number, data[at : at + size], last=True)
        if opened is not None:
            return size, opened
    return 0, None


def _ends(data: bytes, at: int) -> list[int]:
    """The sizes that the last chunk, which begins at `at`, may have: to the last byte of a block that is no zero."""
    limit = min(len(data), at + CHUNK_BYTES + TAG_BYTES)
    found = [limit - at]
    for stop in range((at // BLOCK_BYTES + 1) * BLOCK_BYTES, limit + BLOCK_BYTES, BLOCK_BYTES):
        block = data[max(at, stop - BLOCK_BYTES) : min(stop, limit)]
        kept = len(block.rstrip(b"\0"))
        first = max(at, stop - BLOCK_BYTES) - at + kept
        found += range(first, min(first + MOST_ZEROS, limit - at) + 1)
    return [size for size in found if TAG_BYTES <= size <= CHUNK_BYTES + TAG_BYTES]


def _open(cipher: ChaCha20Poly1305, number: int, chunk: bytes, *, last: bool) -> bytes | None:
    try:
        return cipher.decrypt(number.to_bytes(11, "big") + bytes([last]), chunk, None)
    except InvalidTag:
        return None
