"""The replay camera: order, position, and every picture that is not one."""

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from cam_parts import CAT, NOW, write_picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pictures

from trapcam.camera.replay import ReplayCamera, open_replay
from trapcam.camera.still import ReadError, decode_picture
from trapcam.frames import Burst, Unreadable
from trapcam.trigger import Trigger
from trapkit.errors import SetupError

TRIGGER = Trigger(number=1, cause=0, at_ms=NOW)
MANY = 40e6


def camera(folder: Path, *, loop: bool = False, max_megapixels: float = 40) -> ReplayCamera:
    return open_replay(str(folder), loop=loop, max_megapixels=max_megapixels, uncertainty_ms=250)


def saved(image: Pictures.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def test_pictures_come_in_the_order_of_their_names(pictures: Path) -> None:
    for name in ("b.PNG", "a.png", "c.jpg"):
        write_picture(pictures / name, CAT)
    (pictures / "notes.txt").write_text("no picture")
    (pictures / ".hidden.png").write_bytes(b"")
    (pictures / "d.png").mkdir()
    replay = camera(pictures)
    assert replay.total == 3
    bursts = [replay.frames(TRIGGER, position) for position in range(4)]
    assert [b.frames[0].name for b in bursts if isinstance(b, Burst)] == ["a.png", "b.PNG", "c.jpg"]
    assert bursts[3] is None
    frame = bursts[0].frames[0] if isinstance(bursts[0], Burst) else None
    assert frame is not None
    assert (frame.image.shape, frame.taken_ms, frame.uncertainty_ms, frame.jpeg) == ((48, 64, 3), NOW, 250, None)


def test_a_loop_begins_again(pictures: Path) -> None:
    write_picture(pictures / "a.png", CAT)
    write_picture(pictures / "b.png", CAT)
    burst = camera(pictures, loop=True).frames(TRIGGER, 7)
    assert isinstance(burst, Burst)
    assert burst.frames[0].name == "b.png"


def test_a_jpeg_keeps_its_own_bytes(pictures: Path) -> None:
    data = saved(Pictures.new("RGB", (40, 30), "red"), "JPEG")
    (pictures / "a.jpg").write_bytes(data)
    burst = camera(pictures).frames(TRIGGER, 0)
    assert isinstance(burst, Burst)
    assert burst.frames[0].jpeg == data


@pytest.mark.parametrize(("folder", "message"), [("", "has 0 pictures"), ("missing", "cannot be read")])
def test_a_folder_without_pictures_is_refused(pictures: Path, folder: str, message: str) -> None:
    with pytest.raises(SetupError, match=f"camera.replay.folder .* {message}"):
        camera(pictures / folder)


def test_a_name_that_is_not_text(pictures: Path) -> None:
    write_picture(pictures / "x.png", CAT)
    (pictures / "x.png").rename(Path(str(pictures) + "/\udcff.png"))
    burst = camera(pictures).frames(TRIGGER, 0)
    assert isinstance(burst, Burst)
    assert burst.frames[0].name == "\\udcff.png"


def test_a_picture_that_vanished_is_an_outcome(pictures: Path) -> None:
    write_picture(pictures / "a.png", CAT)
    replay = camera(pictures)
    (pictures / "a.png").unlink()
    assert replay.frames(TRIGGER, 0) == Unreadable(
        name="a.png", reason="cannot be read: No such file or directory", trigger=TRIGGER
    )


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")


JPEG = saved(Pictures.effect_noise((80, 60), 90).convert("RGB"), "JPEG")
PNG = saved(Pictures.effect_noise((80, 60), 90).convert("RGB"), "PNG")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"not a picture at all", "not a whole JPEG or PNG"),
        (JPEG[: len(JPEG) // 2], "not a whole JPEG or PNG"),
        (PNG[: len(PNG) // 2], "not a whole JPEG or PNG"),
        (PNG[:-40], "not a whole JPEG or PNG"),
        (saved(Pictures.new("RGB", (9, 9)), "GIF"), "not a whole JPEG or PNG"),
        (bomb(10_000, 10_000), r"100\.0 megapixels, allowed are 40"),
        (bomb(60_000, 60_000), "too many megapixels, allowed are 40: scale it down"),
        (bomb(0, 7), "not a whole JPEG or PNG"),
    ],
)
def test_pictures_that_are_none(data: bytes, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        decode_picture(data, MANY)


def test_a_100_megapixel_picture_is_recorded_not_loaded(pictures: Path) -> None:
    (pictures / "a.png").write_bytes(bomb(10_000, 10_000))
    taken = camera(pictures).frames(TRIGGER, 0)
    assert isinstance(taken, Unreadable)
    assert taken.reason == "100.0 megapixels, allowed are 40: scale it down"


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_becomes_rgb(mode: str) -> None:
    grey = Pictures.new("L", (20, 10), 200)
    if mode == "I;16":
        image = Pictures.fromarray(np.full((10, 20), 200 * 257, dtype=np.uint16))
    else:
        image = grey.convert("RGB").convert(mode) if mode in ("P", "RGBA") else grey.convert(mode)
    pixels, is_jpeg = decode_picture(saved(image, "PNG"), MANY)
    assert (pixels.shape, pixels.dtype, is_jpeg) == ((10, 20, 3), np.uint8, False)


def test_sixteen_bits_keep_their_brightness() -> None:
    image = Pictures.fromarray(np.full((4, 4), 200 * 257, dtype=np.uint16))
    assert decode_picture(saved(image, "PNG"), MANY)[0].mean() == 200


def test_cmyk_becomes_rgb() -> None:
    pixels, is_jpeg = decode_picture(saved(Pictures.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"), MANY)
    assert is_jpeg
    red, green, blue = pixels.mean(axis=(0, 1))
    assert red > 200
    assert green < 60
    assert blue < 60


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture(orientation: int) -> None:
    upright = Pictures.new("RGB", (60, 40), "black")
    upright.paste("white", (0, 0, 30, 20))  # the top left quarter is bright
    undo = {
        2: [Pictures.Transpose.FLIP_LEFT_RIGHT],
        3: [Pictures.Transpose.ROTATE_180],
        4: [Pictures.Transpose.FLIP_TOP_BOTTOM],
        5: [Pictures.Transpose.TRANSPOSE],
        6: [Pictures.Transpose.ROTATE_90],
        7: [Pictures.Transpose.TRANSVERSE],
        8: [Pictures.Transpose.ROTATE_270],
    }
    stored = upright
    for step in undo.get(orientation, []):
        stored = stored.transpose(step)
    exif = Pictures.Exif()
    exif[0x0112] = orientation
    pixels, _ = decode_picture(saved(stored, "JPEG", exif=exif), MANY)
    assert pixels.shape == (40, 60, 3)
    assert pixels[:16, :26].mean() > 240
    assert pixels[24:].mean() < 15


def test_damaged_exif_does_not_spoil_the_pixels() -> None:
    data = saved(Pictures.new("RGB", (20, 10), "red"), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f garbage")
    assert decode_picture(data, MANY)[0].shape == (10, 20, 3)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_never_crash(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from([JPEG, PNG])))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ReadError):  # the one thing that may be raised
        pixels, _ = decode_picture(bytes(raw[: data.draw(st.integers(0, len(raw)))]), MANY)
        assert pixels.shape[2] == 3
