"""Pieces of a large object on the bus, and what the base has of it (basestation/BUS.md, "Pieces").

A piece says whose it is, the whole's digest and length, and where it begins; one without data asks what is there.
"""

import struct
from typing import NamedTuple

from trapwire.errors import WireError
from trapwire.objects import MAX_BODY_BYTES, ObjectKey

VERSION = 1
OVER_BYTES = 64 * 1024  # larger envelopes go as pieces: what a cut costs should be less than a second of a slow 4G
PIECE_BYTES = 32 * 1024  # of a trap's own: with a few on their way an alert waits seconds behind them
MAX_DATA_BYTES = 64 * 1024  # of anybody's
MARK = struct.Struct(">BBHII32sI")  # version, rung, trap, epoch, number, SHA-256 of the body, its bytes
PLACE = struct.Struct(">I")


class Mark(NamedTuple):
    """Which bytes are meant: an object's key, its body's SHA-256 and `total` bytes."""

    key: ObjectKey
    sha256: bytes
    total: int

    def encode(self, place: int) -> bytes:
        k = self.key
        return MARK.pack(VERSION, k.rung, k.trap, k.epoch, k.number, self.sha256, self.total) + PLACE.pack(place)


class Piece(NamedTuple):
    """`data` of a body from `offset` on (bytes); no data: a question."""

    mark: Mark
    offset: int
    data: bytes

    def encode(self) -> bytes:
        return self.mark.encode(self.offset) + self.data


class Have(NamedTuple):
    """The base has the body's first `size` bytes, durably."""

    mark: Mark
    size: int

    def encode(self) -> bytes:
        return self.mark.encode(self.size)


def decode_piece(payload: bytes) -> Piece:
    """The piece in a message.  Raises: WireError when it does not lie within a body of 1 to 16 MiB."""
    mark, offset = _decode_mark(payload)
    data = payload[MARK.size + PLACE.size :]
    if len(data) > MAX_DATA_BYTES:
        raise WireError(f"piece of {len(data)} bytes, at most {MAX_DATA_BYTES} are allowed")
    if offset + len(data) > mark.total:
        raise WireError(f"piece of {len(data)} bytes at {offset} of {mark.total}")
    return Piece(mark, offset, data)


def decode_have(payload: bytes) -> Have:
    """What a base says that it has.  Raises: WireError."""
    mark, place = _decode_mark(payload)
    if len(payload) != MARK.size + PLACE.size or place > mark.total:
        raise WireError(f"a base has {place} of {mark.total} bytes, in a message of {len(payload)}")
    return Have(mark, place)


def _decode_mark(payload: bytes) -> tuple[Mark, int]:
    if len(payload) < MARK.size + PLACE.size:
        raise WireError(f"piece's head of {len(payload)} bytes, {MARK.size + PLACE.size} are needed")
    version, rung, trap, epoch, number, sha256, total = MARK.unpack_from(payload)
    if version != VERSION:
        raise WireError(f"piece version {version}, known is {VERSION}")
    if not 0 < total <= MAX_BODY_BYTES:
        raise WireError(f"body of {total} bytes, allowed are 1–{MAX_BODY_BYTES}")
    (place,) = PLACE.unpack_from(payload, MARK.size)
    return Mark(ObjectKey(trap, epoch, number, rung), sha256, total), place
