"""The four sizes of a sighting, on scikit-image's cat and on every odd picture."""

import io

import numpy as np
import pytest
import skimage.data
from cam_parts import NOW
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pictures

from trapcam import rungs
from trapcam.frames import Frame, Image
from trapcam.sighting import Event
from trapwire.alert import TIME_BASE_UNIX_MS, decode_alert

CHELSEA: Image = skimage.data.chelsea()
FACE = (0.25, 0.1, 0.5, 0.7)


def open_webp(data: bytes) -> Pictures.Image:
    picture = Pictures.open(io.BytesIO(data))
    assert picture.format == "WEBP"
    picture.load()
    return picture


def event(bbox: tuple[float, float, float, float] = FACE, confidence: float = 0.9, count: int = 1) -> Event:
    return Event(frame=0, bbox=bbox, category="feline", confidence=confidence, species=0, count=count)


def picture(image: Image = CHELSEA, taken_ms: int = NOW, jpeg: bytes | None = None) -> Frame:
    return Frame(pixels=image, taken_ms=taken_ms, uncertainty_ms=500, name="chelsea", jpeg=jpeg)


def test_the_crop_of_the_cat_fills_its_budget_and_not_more() -> None:
    data = rungs.crop(CHELSEA, FACE, 1480)
    assert 1200 < len(data) <= 1480
    crop = open_webp(data)
    assert crop.width <= 320
    assert crop.height <= 240
    assert max(crop.width / 320, crop.height / 240) == 1


def test_the_crop_shows_the_box_with_its_margin() -> None:
    image = np.zeros((1000, 1000, 3), dtype=np.uint8)
    image[400:600, 300:500] = (250, 120, 10)
    crop = np.asarray(open_webp(rungs.crop(image, (0.3, 0.4, 0.2, 0.2), 4000)).convert("RGB")).astype(int)
    lit = (crop[:, :, 0] > 125).mean()
    assert abs(lit - 1 / (1 + 2 * rungs.CROP_MARGIN) ** 2) < 0.03


def test_the_frame_of_the_cat() -> None:
    data = rungs.frame(CHELSEA, 8000, 960)
    assert 6000 < len(data) <= 8000
    frame = open_webp(data)
    assert frame.size == (451, 300)  # not made larger than it was
    wide = np.repeat(np.repeat(CHELSEA, 4, axis=0), 4, axis=1)
    assert open_webp(rungs.frame(wide, 8000, 960)).width == 960


def test_grey_pictures_stay_grey() -> None:
    grey = np.repeat(CHELSEA.mean(axis=2).astype(np.uint8)[:, :, None], 3, axis=2)
    noise = np.random.default_rng(1).integers(-2, 3, grey.shape)
    night = np.clip(grey.astype(int) + noise, 0, 255).astype(np.uint8)
    assert rungs.is_grey(Pictures.fromarray(night))
    assert not rungs.is_grey(Pictures.fromarray(CHELSEA))
    crop = np.asarray(open_webp(rungs.crop(night, FACE, 1480)).convert("RGB")).astype(int)
    assert (crop.max(axis=2) - crop.min(axis=2)).max() <= 2


def test_full_is_the_file_itself_or_a_good_jpeg() -> None:
    assert rungs.full(picture(jpeg=b"\xff\xd8 the very bytes")) == b"\xff\xd8 the very bytes"
    made = Pictures.open(io.BytesIO(rungs.full(picture())))
    assert (made.format, made.size) == ("JPEG", (451, 300))
    huge = rungs.full(picture(jpeg=bytes(rungs.MAX_JPEG_BYTES + 1)))
    assert Pictures.open(io.BytesIO(huge)).format == "JPEG"


def test_the_alert() -> None:
    alert = decode_alert(rungs.alert(event(confidence=0.8, count=3), picture()))
    assert (alert.time_ms, alert.species, alert.count, alert.battery) == (NOW, 0, 3, None)
    assert alert.uncertainty_ms is not None
    assert alert.uncertainty_ms >= 500
    assert abs(alert.confidence / 255 - 0.8) < 0.003
    assert [round(v / 255, 1) for v in alert.box] == [0.3, 0.1, 0.5, 0.7]


@pytest.mark.parametrize("taken_ms", [0, TIME_BASE_UNIX_MS - 1, TIME_BASE_UNIX_MS + (1 << 40), 1 << 60])
def test_a_clock_that_is_years_off_loses_no_sighting(taken_ms: int) -> None:
    alert = decode_alert(rungs.alert(event(count=999), picture(taken_ms=taken_ms)))
    assert alert.uncertainty_ms is None
    assert alert.count == 255


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    box=st.tuples(*[st.floats(-0.25, 1.25)] * 4),
    noisy=st.booleans(),
    seed=st.integers(0, 9),
)
def test_any_box_on_any_picture_fits(
    width: int, height: int, box: tuple[float, float, float, float], noisy: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = (
        rng.integers(0, 255, (height, width, 3), dtype=np.uint8) if noisy else np.zeros((height, width, 3), np.uint8)
    )
    crop = open_webp(rungs.crop(image, box, 1480))
    assert len(rungs.crop(image, box, 1480)) <= 1480
    assert crop.width <= 320
    assert crop.height <= 240
