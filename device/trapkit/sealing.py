"""Sealing: what is written on a trap's card can be opened only by whoever holds a key that is not there."""

from pathlib import Path

from nacl.exceptions import BadSignatureError, CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.signing import SigningKey, VerifyKey

from trapkit.errors import SetupError

SEALED_BOX_BYTES = 48  # what a sealed box adds


def read_key(path: Path, what: str) -> bytes:
    """A 32-byte key from a file of 64 hexadecimal digits.  Raises: SetupError naming the file."""
    try:
        key = bytes.fromhex(path.read_text().strip())
    except OSError as error:
        raise SetupError(f"{path}: {what} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SetupError(f"{path}: {what} is not hexadecimal") from error
    if len(key) != 32:
        raise SetupError(f"{path}: {what} has {len(key)} bytes, 32 are needed")
    return key


def make_sign_key() -> bytes:
    """A new Ed25519 seed, 32 bytes."""
    return bytes(SigningKey.generate())


def public_of(seed: bytes) -> bytes:
    """The public key (32 bytes) of an Ed25519 seed."""
    return bytes(SigningKey(seed).verify_key)


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature (64 bytes, Ed25519) over `message`."""
    return bytes(SigningKey(seed).sign(message).signature)


def seal_box(recipient: bytes, data: bytes) -> bytes:
    """`data` sealed to a 32-byte X25519 public key (libsodium sealed box)."""
    return SealedBox(PublicKey(recipient)).encrypt(data)


def open_box(secret: bytes, sealed: bytes) -> bytes | None:
    """What is in a sealed box, or None when it is not for this key or damaged."""
    try:
        return SealedBox(PrivateKey(secret)).decrypt(sealed)
    except (CryptoError, ValueError):
        return None


def signature_is_valid(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes, Ed25519) over `message` is by `key` (32 bytes)."""
    try:
        VerifyKey(key).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True
