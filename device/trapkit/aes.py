"""AES of the library `cryptography`: AES-128-CCM as the base uses it, and bare AES for firmware that runs on a host."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM


class AesCcm:
    """The same bytes as `trapwire.ccm.Ccm`, made by OpenSSL. `key`: 16 bytes."""

    versions: tuple[int, ...] = (2, 3)  # of the frames that it opens (trapwire.frame)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, nonce: bytes, aad: bytes, data: bytes, tag: int) -> bytes:
        """`data` encrypted, with `tag` bytes behind it."""
        return AESCCM(self._key, tag_length=tag).encrypt(nonce, data, aad)

    def open(self, nonce: bytes, aad: bytes, sealed: bytes, tag: int) -> bytes | None:
        """What was sealed, or None when the tag does not fit."""
        try:
            return AESCCM(self._key, tag_length=tag).decrypt(nonce, sealed, aad)
        except InvalidTag:
            return None


class Aes:
    """AES-128 under `key` (16 bytes), as `trapwire.ccm` asks for it: what `trapmcu.aes` is on a microcontroller."""

    def __init__(self, key: bytes) -> None:
        self._key = algorithms.AES(key)

    def ecb(self, data: bytes) -> bytes:
        # One call over blocks that never repeat: counters. Not a mode for anything else.
        return Cipher(self._key, modes.ECB()).encryptor().update(data)  # noqa: S305

    def cbc(self, data: bytes) -> bytes:
        return Cipher(self._key, modes.CBC(bytes(16))).encryptor().update(data)
