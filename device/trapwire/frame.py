"""Frames on the air: header, payload, tag (PROTOCOL.md section 4).

byte 0     version (2 bits) | down | poll or more | kind (4 bits)
bytes 1–2  the trap's address, whichever way the frame goes
bytes 3–6  counter: fresh for every transmission, repeats included; with the direction it makes the nonce.
           Of a piece only its last 16 bits: the receiver knows the rest from the frames before
payload    encrypted from version 2 on
tag        4 bytes on fragments and pieces, 8 on everything else; it binds header and payload to the key

The versions taken are those of the cipher which is handed in: what another version says is refused.
"""

import hashlib
import struct

from trapwire.errors import FORGED, OLD_VERSION, RefusedError, WireError

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Protocol

    class Cipher(Protocol):
        """What seals frames: `versions` are those it opens, a tag is 4 or 8 bytes, a nonce 13."""

        versions: tuple[int, ...]

        def seal(self, nonce: bytes, aad: bytes, data: bytes, tag: int) -> bytes: ...
        def open(self, nonce: bytes, aad: bytes, sealed: bytes, tag: int) -> "bytes | None": ...


VERSION = 3  # of what is sent; 2 is taken from traps that were not updated, 1 only read, by who asks for it
KEYED_VERSIONS = (2, 3)  # under a link key

ALERT = 1
FRAGMENT = 2
HAVE = 3
ACK = 4
HEARTBEAT = 5
PIECE = 6
ASK = 7
WORD = 8
REPLY = 9
QUICK = 10
LOG = 13  # 11 and 12 are no frames of a link: hops and calls
KINDS = {
    ALERT: "alert",
    FRAGMENT: "fragment",
    HAVE: "have",
    ACK: "ack",
    HEARTBEAT: "heartbeat",
    PIECE: "piece",
    ASK: "ask",
    WORD: "word",
    REPLY: "reply",
    QUICK: "quick",
    LOG: "log",
}
FIRST_VERSION = {PIECE: 3, ASK: 3, WORD: 3, REPLY: 3, QUICK: 3, LOG: 3}  # of the kinds that version 1 had not

MORE = 0x10  # in the first byte: poll on the way up, another frame of this answer on the way down
HEADER_BYTES = 7
PIECE_HEADER_BYTES = 5
_HEADER = ">BHI"
_PIECE_HEADER = ">BHH"


def header_bytes(kind: int) -> int:
    """Length of the header of a kind of frame."""
    return PIECE_HEADER_BYTES if kind == PIECE else HEADER_BYTES


def tag_bytes(kind: int) -> int:
    """Length of the tag of a kind of frame: short where the object has a digest of its own."""
    return 4 if kind in (FRAGMENT, PIECE) else 8


class ChecksumCipher:
    """What version 1 had in place of a cipher: a truncated SHA-256 finds damage, and proves and hides nothing.

    For old vectors and old recordings; no link takes it.
    """

    versions: "tuple[int, ...]" = (1,)

    def seal(self, nonce: bytes, aad: bytes, data: bytes, tag: int) -> bytes:
        """`data` as it is, with `tag` bytes behind it."""
        return data + hashlib.sha256(nonce + aad + data).digest()[:tag]

    def open(self, nonce: bytes, aad: bytes, sealed: bytes, tag: int) -> "bytes | None":
        """What was sealed, or None when the tag does not fit."""
        data = sealed[: len(sealed) - tag]
        return data if hashlib.sha256(nonce + aad + data).digest()[:tag] == sealed[len(data) :] else None


class Frame:
    """One frame: `down` from the base, `flag` is *poll* on the way up and *more follows* on the way down."""

    def __init__(
        self, kind: int, down: bool, flag: bool, address: int, counter: int, payload: bytes, version: int = VERSION
    ) -> None:
        self.kind = kind
        self.down = down
        self.flag = flag
        self.address = address
        self.counter = counter
        self.payload = payload
        self.version = version


def encode_frame(frame: Frame, cipher: "Cipher") -> bytes:
    """The bytes for the radio."""
    first = frame.version << 6 | (0x20 if frame.down else 0) | (0x10 if frame.flag else 0) | frame.kind
    if frame.kind == PIECE:
        header = struct.pack(_PIECE_HEADER, first, frame.address, frame.counter & 0xFFFF)
    else:
        header = struct.pack(_HEADER, first, frame.address, frame.counter)
    return header + cipher.seal(_nonce(frame), header, frame.payload, tag_bytes(frame.kind))


def peek_frame(data: bytes) -> Frame:
    """What the header says, which anybody can read and write: no payload, and nothing is proved.  Raises: WireError.

    Whose key opens the frame is found by it, and whose turn it is on the channel. Of a piece's counter it has 16 bits.
    """
    return _peek(data, KEYED_VERSIONS)


def _peek(data: bytes, versions: "tuple[int, ...]") -> Frame:
    if len(data) < PIECE_HEADER_BYTES:
        raise WireError("frame of %d bytes is too short" % len(data))
    version, kind = data[0] >> 6, data[0] & 0x0F
    if version not in versions:
        raise RefusedError(OLD_VERSION, "frame version %d, taken are %s" % (version, versions))
    if kind not in KINDS or version < FIRST_VERSION.get(kind, 0):
        raise WireError("frame kind %d is unknown in version %d" % (kind, version))
    size = header_bytes(kind)
    if len(data) < size + tag_bytes(kind):
        raise WireError("frame of %d bytes is too short for its kind" % len(data))
    first, address, counter = struct.unpack(_PIECE_HEADER if kind == PIECE else _HEADER, bytes(data[:size]))
    return Frame(kind, bool(first & 0x20), bool(first & 0x10), address, counter, b"", version)


def decode_frame(data: bytes, cipher: "Cipher", heard: "int | None" = None) -> Frame:
    """The frame in `data`, its tag checked.  Raises: WireError.

    heard: the greatest counter of this sender so far, None where there is none yet: no piece can be opened then.
    """
    frame = _peek(data, cipher.versions)
    if frame.kind == PIECE:
        if heard is None:
            raise WireError("a piece before any frame with a whole counter")
        frame.counter = counter_behind(heard, frame.counter)
    size = header_bytes(frame.kind)
    payload = cipher.open(_nonce(frame), bytes(data[:size]), bytes(data[size:]), tag_bytes(frame.kind))
    if payload is None:
        raise RefusedError(FORGED, "frame tag does not fit")
    frame.payload = payload
    return frame


def counter_behind(heard: int, low: int) -> int:
    """The first counter greater than `heard` whose last 16 bits are `low`."""
    found = heard & 0xFFFF0000 | low
    return found if found > heard else found + 0x10000


def _nonce(frame: Frame) -> bytes:
    return struct.pack(">BHI", 1 if frame.down else 0, frame.address, frame.counter & 0xFFFFFFFF) + bytes(6)


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
        self.last = first  # the value taken last

    def take(self) -> int:
        """A value never used before.  Raises: WireError when 32 bits are used up."""
        if self._next >= self._end:
            end = self._next + self.BLOCK
            if end > 0xFFFFFFFF:
                raise WireError("the frame counter is used up: new key, new counter")
            self._reserve(end)
            self._end = end
        self.last = self._next
        self._next += 1
        return self.last
