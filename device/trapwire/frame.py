"""Frames on the air: header, payload, tag (PROTOCOL.md section 4).

byte 0     version (2 bits) | down | poll or more | kind (4 bits)
bytes 1–2  the trap's address, whichever way the frame goes
bytes 3–6  counter: fresh for every transmission, repeats included; with the direction it makes the nonce
payload    encrypted from version 2 on
tag        4 bytes on fragments, 8 on everything else; it binds header and payload to the key

The version is that of the cipher which is handed in: what another version says is refused.
"""

import hashlib
import struct

from trapwire.errors import FORGED, OLD_VERSION, RefusedError, WireError

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Protocol

    class Cipher(Protocol):
        """What seals frames: `version` is theirs, a tag is 4 or 8 bytes, a nonce 13."""

        version: int

        def seal(self, nonce: bytes, aad: bytes, data: bytes, tag: int) -> bytes: ...
        def open(self, nonce: bytes, aad: bytes, sealed: bytes, tag: int) -> "bytes | None": ...


VERSION = 2  # of what is sent; version 1 is only read, by who asks for it

ALERT = 1
FRAGMENT = 2
HAVE = 3
ACK = 4
HEARTBEAT = 5
KINDS = {ALERT: "alert", FRAGMENT: "fragment", HAVE: "have", ACK: "ack", HEARTBEAT: "heartbeat"}

HEADER_BYTES = 7
_HEADER = ">BHI"


def tag_bytes(kind: int) -> int:
    """Length of the tag of a kind of frame: short on fragments, whose object has a digest of its own."""
    return 4 if kind == FRAGMENT else 8


class ChecksumCipher:
    """What version 1 had in place of a cipher: a truncated SHA-256 finds damage, and proves and hides nothing.

    For old vectors and old recordings; no link takes it.
    """

    version = 1

    def seal(self, nonce: bytes, aad: bytes, data: bytes, tag: int) -> bytes:
        """`data` as it is, with `tag` bytes behind it."""
        return data + hashlib.sha256(nonce + aad + data).digest()[:tag]

    def open(self, nonce: bytes, aad: bytes, sealed: bytes, tag: int) -> "bytes | None":
        """What was sealed, or None when the tag does not fit."""
        data = sealed[: len(sealed) - tag]
        return data if hashlib.sha256(nonce + aad + data).digest()[:tag] == sealed[len(data) :] else None


class Frame:
    """One frame: `down` from the base, `flag` is *poll* on the way up and *more follows* on the way down."""

    def __init__(self, kind: int, down: bool, flag: bool, address: int, counter: int, payload: bytes) -> None:
        self.kind = kind
        self.down = down
        self.flag = flag
        self.address = address
        self.counter = counter
        self.payload = payload


def encode_frame(frame: Frame, cipher: "Cipher") -> bytes:
    """The bytes for the radio."""
    first = cipher.version << 6 | (0x20 if frame.down else 0) | (0x10 if frame.flag else 0) | frame.kind
    header = struct.pack(_HEADER, first, frame.address, frame.counter)
    return header + cipher.seal(_nonce(frame), header, frame.payload, tag_bytes(frame.kind))


def peek_frame(data: bytes) -> Frame:
    """What the header says, which anybody can read and write: no payload, and nothing is proved.  Raises: WireError.

    Whose key opens the frame is found by it, and whose turn it is on the channel.
    """
    if len(data) < HEADER_BYTES:
        raise WireError("frame of %d bytes is too short" % len(data))
    first, address, counter = struct.unpack(_HEADER, bytes(data[:HEADER_BYTES]))
    if first >> 6 != VERSION:
        raise RefusedError(OLD_VERSION, "frame version %d, taken is %d" % (first >> 6, VERSION))
    return Frame(first & 0x0F, bool(first & 0x20), bool(first & 0x10), address, counter, b"")


def decode_frame(data: bytes, cipher: "Cipher") -> Frame:
    """The frame in `data`, its tag checked.  Raises: WireError."""
    if len(data) < HEADER_BYTES:
        raise WireError("frame of %d bytes is too short" % len(data))
    header = bytes(data[:HEADER_BYTES])
    first, address, counter = struct.unpack(_HEADER, header)
    if first >> 6 != cipher.version:
        raise RefusedError(OLD_VERSION, "frame version %d, taken is %d" % (first >> 6, cipher.version))
    kind = first & 0x0F
    if kind not in KINDS:
        raise WireError("frame kind %d is unknown" % kind)
    if len(data) < HEADER_BYTES + tag_bytes(kind):
        raise WireError("frame of %d bytes is too short for its kind" % len(data))
    frame = Frame(kind, bool(first & 0x20), bool(first & 0x10), address, counter, b"")
    payload = cipher.open(_nonce(frame), header, bytes(data[HEADER_BYTES:]), tag_bytes(kind))
    if payload is None:
        raise RefusedError(FORGED, "frame tag does not fit")
    frame.payload = payload
    return frame


def _nonce(frame: Frame) -> bytes:
    return struct.pack(">BHI", 1 if frame.down else 0, frame.address, frame.counter) + bytes(6)


class Counter:
    """The transmission counter, reserved ahead in blocks so that a reset never repeats a value.

    `first` is the first value that no earlier run reserved; `reserve(end)` must make `end` durable, as the next
    run's `first`, before it returns.
    """

    BLOCK = 1024

    def __init__(self, first: int, reserve: "Callable[[int], None]") -> None:
        self._next = first
        self._end = first
        self._reserve = reserve

    def take(self) -> int:
        """A value never used before.  Raises: WireError when 32 bits are used up."""
        if self._next >= self._end:
            end = self._next + self.BLOCK
            if end > 0xFFFFFFFF:
                raise WireError("the frame counter is used up: new key, new counter")
            self._reserve(end)
            self._end = end
        value = self._next
        self._next += 1
        return value
