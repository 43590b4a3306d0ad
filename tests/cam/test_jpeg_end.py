"""Where a JPEG ends: nothing that was not looked at leaves the trap with it."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from cam_parts import NOW
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image as Pictures

from trapcam import rungs
from trapcam.camera.jpeg import jpeg_pixels, own_jpeg
from trapcam.camera.replay import open_replay
from trapcam.frames import Burst, Frame
from trapcam.trigger import Trigger

NOISE = Pictures.effect_noise((80, 60), 90).convert("RGB")
FILM = b"\0\0\0\x18ftypmp42 of people on the path"


def saved(image: Pictures.Image = NOISE, kind: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def with_preview() -> bytes:
    """EXIF that holds a whole JPEG, end marker and all, as every camera writes it; and a place on earth."""
    exif = b"Exif\0\0II*\0" + saved(NOISE.resize((16, 12)), "JPEG") + b"GPS"
    return saved(exif=exif)


WHOLE = {
    "plain": saved(),
    "progressive": saved(progressive=True),
    "restarts": saved(restart_marker_blocks=1),
    "preview": with_preview(),
    "grey": saved(NOISE.convert("L")),
    "filled": saved().replace(b"\xff\xc4", b"\xff\xff\xff\xff\xc4", 1),
}


def full_of(pictures: Path, data: bytes) -> tuple[Frame, bytes]:
    """What the replay camera makes of a file, and the full frame of it."""
    (pictures / "a.jpg").write_bytes(data)
    burst = open_replay(str(pictures), loop=False, max_megapixels=1, uncertainty_ms=None).frames(
        Trigger(number=1, cause=0, at_ms=NOW), 0
    )
    assert isinstance(burst, Burst)
    return burst.frames[0], rungs.full(burst.frames[0])


@pytest.mark.parametrize("name", WHOLE)
def test_a_picture_that_ends_where_its_file_does_is_kept_byte_for_byte(pictures: Path, name: str) -> None:
    assert full_of(pictures, WHOLE[name])[1] == WHOLE[name]
    assert jpeg_pixels(saved()) == 80 * 60


@pytest.mark.parametrize("name", WHOLE)
def test_padding_is_cut_off_and_the_rest_kept_byte_for_byte(pictures: Path, name: str) -> None:
    for padding in (bytes(512), b"\xff" * 512):
        assert full_of(pictures, WHOLE[name] + padding)[1] == WHOLE[name]


@pytest.mark.parametrize("more", [FILM, bytes(512) + FILM, saved(), b"\n"])
@pytest.mark.parametrize("name", WHOLE)
def test_what_follows_the_end_goes_nowhere(pictures: Path, name: str, more: bytes) -> None:
    """A motion photo's film, a second picture: the judged pixels are encoded anew, without it."""
    frame, made = full_of(pictures, WHOLE[name] + more)
    assert frame.jpeg is None
    assert own_jpeg(made) == made
    assert b"ftyp" not in made
    with Pictures.open(io.BytesIO(made)) as again:
        assert (again.format, again.size) == ("JPEG", (80, 60))


def test_of_several_pictures_in_one_file_only_the_judged_one_is_kept(pictures: Path) -> None:
    other = Pictures.new("RGB", (80, 60), (0, 0, 255))
    data = saved(NOISE, "MPO", save_all=True, append_images=[other])
    with Pictures.open(io.BytesIO(data)) as opened:
        assert (opened.format, getattr(opened, "n_frames", 1)) == ("MPO", 2)
    frame, made = full_of(pictures, data)
    assert frame.jpeg is None
    with Pictures.open(io.BytesIO(made)) as again:
        assert (again.format, getattr(again, "n_frames", 1)) == ("JPEG", 1)
        assert np.abs(np.asarray(again).astype(int) - np.asarray(NOISE)).mean() < 12


def test_a_place_in_the_exif_stays(pictures: Path) -> None:
    """Full frames are sealed to back end and reviewer, who need it."""
    assert b"GPS" in full_of(pictures, with_preview())[1]


@given(data=st.binary(max_size=200).map(lambda rest: b"\xff\xd8" + rest) | st.binary(max_size=50))
@example(b"\xff\xd8\xff\xd9")
@example(b"\xff\xd8\xff\xe0\x00\x00")
@example(b"\xff\xd8" + b"\xff" * 40)
def test_garbage_has_an_end_or_none(data: bytes) -> None:
    found = own_jpeg(data)
    assert found is None or (data.startswith(found) and found.endswith(b"\xff\xd9"))
    assert jpeg_pixels(data) >= 0


@given(
    name=st.sampled_from(sorted(WHOLE)), at=st.integers(2, 5_000), byte=st.integers(0, 255), more=st.binary(max_size=30)
)
def test_of_a_damaged_picture_never_more_than_to_its_end(name: str, at: int, byte: int, more: bytes) -> None:
    data = bytearray(WHOLE[name])
    data[at % len(data)] = byte
    found = own_jpeg(bytes(data) + more)
    assert found is None or (bytes(data) + more).startswith(found)
    if more.strip(b"\0\xff") and own_jpeg(bytes(data)) is not None:
        assert found is None


@pytest.mark.parametrize(
    "unit", [b"\xff", b"\xff\x00", b"\xff\xd0", b"\xff\xe0\x00\x02", b"\xff\xda\x00\x02", b"\xff\xda\x00\x02\x00"]
)
def test_garbage_made_to_take_long_does_not(unit: bytes) -> None:
    began = time.process_time()
    assert own_jpeg(b"\xff\xd8" + unit * (16 * 2**20 // len(unit))) is None
    assert own_jpeg(b"\xff\xd8\xff\xda\x00\x02" + unit * (16 * 2**20 // len(unit))) is None
    assert time.process_time() - began < 5.0  # 0.3 s here; byte by byte in Python it were ten times that
