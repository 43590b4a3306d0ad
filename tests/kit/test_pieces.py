"""Pieces on the bus: the bytes as BUS.md has them, for ever; and whatever comes, a clear word."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trapkit.pieces import MARK, MAX_DATA_BYTES, PLACE, Have, Mark, Piece, decode_have, decode_piece
from trapwire.errors import WireError
from trapwire.objects import CROP, FULL, MAX_BODY_BYTES, RUNG_NAMES, ObjectKey

KEY = ObjectKey(7, 0xC0FFEE01, 12, FULL)
MARK_7 = Mark(KEY, bytes(range(32)), 3_000_000)
HEAD = "01030007c0ffee010000000c" + bytes(range(32)).hex() + "002dc6c0"


def test_the_bytes_stay_what_they_are() -> None:
    piece, have = Piece(MARK_7, 65_536, b"tiger"), Have(MARK_7, 65_536)
    assert piece.encode().hex() == HEAD + "00010000" + b"tiger".hex()
    assert have.encode().hex() == HEAD + "00010000"
    assert decode_piece(piece.encode()) == piece
    assert decode_have(have.encode()) == have


marks = st.builds(
    lambda trap, epoch, number, rung, digest, total: Mark(ObjectKey(trap, epoch, number, rung), digest, total),
    st.integers(1, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFF),
    st.sampled_from(sorted(RUNG_NAMES)),
    st.binary(min_size=32, max_size=32),
    st.integers(1, MAX_BODY_BYTES),
)


@given(mark=marks, data=st.binary(max_size=300), place=st.integers(0, MAX_BODY_BYTES))
def test_what_is_written_is_read(mark: Mark, data: bytes, place: int) -> None:
    offset = min(place, mark.total - min(len(data), mark.total))
    piece = Piece(mark, offset, data[: mark.total])
    assert decode_piece(piece.encode()) == piece
    have = Have(mark, min(place, mark.total))
    assert decode_have(have.encode()) == have


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    for decode in (decode_piece, decode_have):
        with suppress(WireError):
            decode(data)


@pytest.mark.parametrize(
    ("total", "place", "data", "word"),
    [
        (0, 0, b"", "body of 0 bytes"),
        (MAX_BODY_BYTES + 1, 0, b"", "allowed are 1–16777216"),
        (10, 11, b"", "at 11 of 10"),
        (10, 8, b"abc", "at 8 of 10"),
        (MAX_BODY_BYTES, 0xFFFFFFFF, b"a", "at 4294967295"),
        (MAX_BODY_BYTES, 0, bytes(MAX_DATA_BYTES + 1), "at most 65536"),
    ],
)
def test_a_piece_that_does_not_lie_within_its_body_is_refused(total: int, place: int, data: bytes, word: str) -> None:
    payload = MARK.pack(1, FULL, 7, 1, 1, bytes(32), total) + PLACE.pack(place) + data
    with pytest.raises(WireError, match=word):
        decode_piece(payload)


def test_another_version_and_half_a_head_are_refused() -> None:
    good = Have(MARK_7, 1).encode()
    for payload, word in ((b"\x02" + good[1:], "version 2"), (good[:-1], "51 bytes"), (good + b"x", "message of 53")):
        with pytest.raises(WireError, match=word):
            decode_have(payload)
    with pytest.raises(WireError, match="rung 10 is unknown"):
        decode_piece(MARK.pack(1, 10, 7, 1, 1, bytes(32), 5) + PLACE.pack(0))
    assert struct.calcsize(">BBHII32sI") + 4 == len(good) == 52
    assert decode_piece(Mark(ObjectKey(7, 1, 1, CROP), bytes(32), 5).encode(0)).data == b""
