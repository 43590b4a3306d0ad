"""AES-128-CCM over an AES that is handed in (RFC 3610, NIST SP 800-38C), for frames: L = 2, a nonce of 13 bytes.

Two calls to the AES a frame, whatever its length: CBC over the blocks of the tag, ECB over the counters of the key
stream. A microcontroller's AES is fast, and its interpreter is not. The exclusive-or goes through whole numbers for
the same reason.
"""

import struct

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Protocol

    class Aes(Protocol):
        """AES-128 under one key, on whole blocks of 16 bytes."""

        def ecb(self, data: bytes) -> bytes: ...
        def cbc(self, data: bytes) -> bytes:
            """From an initial vector of zeros."""


BLOCK_BYTES = 16
NONCE_BYTES = 13
MAX_DATA_BYTES = 0xFFFF  # what two bytes of length can say
MAX_AAD_BYTES = 0xFEFF  # above it the length is written in another way (RFC 3610, section 2.2)
TAGS_BYTES = (4, 6, 8, 10, 12, 14, 16)


class Ccm:
    """Seals and opens under the key of `aes`. A nonce is used once a key: who seals sees to that."""

    versions: "tuple[int, ...]" = (2, 3)  # of the frames that it opens (trapwire.frame)

    def __init__(self, aes: "Aes") -> None:
        self._aes = aes

    def seal(self, nonce: bytes, aad: bytes, data: bytes, tag: int) -> bytes:
        """`data` encrypted, with `tag` bytes behind it that bind it to nonce and aad.

        Raises: ValueError for lengths that this form of CCM has not.
        """
        _check(nonce, aad, data, tag)
        stream = self._stream(nonce, len(data))
        mac = self._mac(nonce, aad, data, tag)
        return _xor(data, stream[BLOCK_BYTES:]) + _xor(mac, stream)

    def open(self, nonce: bytes, aad: bytes, sealed: bytes, tag: int) -> "bytes | None":
        """What was sealed, or None when the tag does not fit.  Raises: ValueError, as `seal`."""
        size = len(sealed) - tag
        if size < 0:
            return None
        _check(nonce, aad, sealed[:size], tag)
        stream = self._stream(nonce, size)
        data = _xor(sealed[:size], stream[BLOCK_BYTES:])
        wrong = 0
        # All bytes are looked at: how long it takes tells nobody how many fit.
        mac = _xor(self._mac(nonce, aad, data, tag), stream)
        for i in range(tag):
            wrong |= mac[i] ^ sealed[size + i]
        return None if wrong else data

    def _stream(self, nonce: bytes, size: int) -> bytes:
        """S0, which hides the tag, and the key stream behind it."""
        blocks = 1 + (size + BLOCK_BYTES - 1) // BLOCK_BYTES
        head = b"\x01" + nonce
        return self._aes.ecb(b"".join([head + struct.pack(">H", i) for i in range(blocks)]))

    def _mac(self, nonce: bytes, aad: bytes, data: bytes, tag: int) -> bytes:
        flags = (0x40 if aad else 0) | (tag - 2) // 2 << 3 | 1
        blocks = bytes([flags]) + nonce + struct.pack(">H", len(data))
        if aad:
            blocks += _padded(struct.pack(">H", len(aad)) + aad)
        return self._aes.cbc(blocks + _padded(data))[-BLOCK_BYTES:][:tag]


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK_BYTES)


def _xor(data: bytes, stream: bytes) -> bytes:
    """`data` with the beginning of `stream`."""
    size = len(data)
    mixed = int.from_bytes(data, "big") ^ int.from_bytes(stream[:size], "big")
    return mixed.to_bytes(size, "big")


def _check(nonce: bytes, aad: bytes, data: bytes, tag: int) -> None:
    if len(nonce) != NONCE_BYTES or tag not in TAGS_BYTES:
        raise ValueError("nonce of %d bytes, tag of %d; allowed are 13, and %s" % (len(nonce), tag, TAGS_BYTES))
    if len(data) > MAX_DATA_BYTES or len(aad) > MAX_AAD_BYTES:
        raise ValueError("%d bytes with %d beside; allowed are 65535 with 65279" % (len(data), len(aad)))
