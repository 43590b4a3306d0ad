"""AES as MicroPython's `cryptolib` has it, on hardware where the chip has some. Only board files import this one."""

import cryptolib

_ECB, _CBC = 1, 2
_ZEROS = bytes(16)


class Aes:
    """AES-128 under `key` (16 bytes), as `trapwire.ccm` asks for it."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._ecb = cryptolib.aes(key, _ECB)

    def ecb(self, data: bytes) -> bytes:
        return bytes(self._ecb.encrypt(data))

    def cbc(self, data: bytes) -> bytes:
        # A new one each time: it goes on from its last block.
        return bytes(cryptolib.aes(self._key, _CBC, _ZEROS).encrypt(data))
