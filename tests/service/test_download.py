"""What a phone takes with it: a tar that any program opens, and that goes on where it broke off."""

import hashlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.service.trap_parts import EPOCH, NOW, TRAP, stored_objects

from trapcam.service.download import GoneError, Listed, Parcel
from trapkit.httprange import wanted_range
from trapkit.parcel import decode_index
from trapwire.objects import decode_envelope

OBJECTS = stored_objects([(9, 0, 14), (9, 1, 1_480), (8, 3, 200_000), (7, 3, 511), (6, 3, 512)])


def made(written_ms: int = NOW) -> Parcel:
    listed = [
        Listed(number=e.key.number, rung=e.key.rung, size=len(e.body), sha256=hashlib.sha256(e.body).digest())
        for e in OBJECTS.values()
    ]
    return Parcel(TRAP, EPOCH, listed, written_ms, lambda number, rung: OBJECTS[number, rung].encode())


def whole(parcel: Parcel) -> bytes:
    return b"".join(parcel.read(0, parcel.size - 1))


def test_it_is_a_tar_with_an_index_and_every_object_as_it_was_sealed() -> None:
    data = whole(made())
    assert len(data) == made().size
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
        names = [member.name for member in members]
        read = [archive.extractfile(member) for member in members]
        bodies = [file.read() for file in read if file]
    assert names == [
        f"pugmark/7-c0ffee01/{n}"
        for n in ("parcel.json", "9-alert.obj", "9-crop.obj", "8-full.obj", "7-full.obj", "6-full.obj")
    ]
    index = decode_index(bodies[0])
    assert index is not None
    assert [entry.file for entry in index.objects] == [name.rsplit("/", 1)[1] for name in names[1:]]
    assert [decode_envelope(body).body for body in bodies[1:]] == [e.body for e in OBJECTS.values()]


@given(st.lists(st.integers(0, made().size - 1), max_size=6))
def test_however_often_it_breaks_off_the_parts_make_the_whole(cuts: list[int]) -> None:
    parcel, got = made(), b""
    for cut in sorted(set(cuts)):
        got += b"".join(parcel.read(len(got), cut))
    assert got + b"".join(parcel.read(len(got), parcel.size - 1)) == whole(parcel)


def test_the_same_objects_at_the_same_time_are_the_same_file_and_others_are_not() -> None:
    assert made().tag == made().tag
    assert made().tag != made(NOW + 1).tag


@pytest.mark.parametrize("damage", ["gone", "shorter", "other bytes"])
def test_what_is_gone_or_damaged_meanwhile_is_never_given(damage: str) -> None:
    def envelope(number: int, rung: int) -> bytes | None:
        data = OBJECTS[number, rung].encode()
        if (number, rung) != (8, 3):
            return data
        return {"gone": None, "shorter": data[:-1], "other bytes": data[:-1] + bytes([data[-1] ^ 1])}[damage]

    listed = made()._objects
    parcel = Parcel(TRAP, EPOCH, listed, NOW, envelope)
    with pytest.raises(GoneError):
        whole(parcel)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-", (0, 999)),
        ("bytes=500-599", (500, 599)),
        ("bytes=500-5000", (500, 999)),
        ("bytes=-100", (900, 999)),
        ("bytes=-5000", (0, 999)),
        ("", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("bytes=9-5", None),
        ("lines=1-2", None),
        ("bytes=99999999999999999999-", None),
    ],
)
def test_ranges(header: str, part: tuple[int, int] | None) -> None:
    assert wanted_range(header, 1000) == part


def test_a_range_behind_the_end_is_an_error() -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        wanted_range("bytes=1000-", 1000)
