"""Rungs: one sighting in four sizes, the largest up to three times (pure; Pillow encodes in memory).

| rung | what | size before sealing |
|---|---|---|
| alert | 14 bytes of facts | 14 B |
| crop | the animal, within 320×240, WebP | ≤ 1,480 B: with a sealed box's 48 B about 1.5 kB on the air |
| frame | the whole picture, ≤ 960 px wide, WebP | ≤ 8,000 B: a supervisor's heap holds it twice |
| scene | the whole picture of an empty scene, 320 px wide, WebP, once a day | ≤ 3,000 B |
| full | the whole picture, JPEG | as the camera wrote it: its EXIF too, but nothing after its end |
| full-2, full-3 | two more pictures of the burst, if they show more (`choice`) | likewise |
"""

import io

import numpy as np
from PIL import Image as Pictures

from trapcam.frames import Frame, Image
from trapcam.sighting import Event
from trapwire.alert import CROP_MARGIN_PERCENT, TIME_BASE_UNIX_MS, TIME_LAST_UNIX_MS, Alert

CROP_PIXELS = (320, 240)
CROP_MARGIN = CROP_MARGIN_PERCENT / 100  # boxes cut off tails and ears; the base draws the box by it
FULL_QUALITY = 90
GREY_CHROMA = 6.0  # mean difference of the channels, of 255: infrared pictures stay below, dusk does not
MAX_JPEG_BYTES = 12 * 1024 * 1024  # a larger original is encoded again: an envelope ends at 16 MB


def alert(event: Event, picture: Frame, battery: int | None = None) -> bytes:
    """The alert's 14 bytes.  battery: percent, None where unknown.

    A clock that is years off must not lose the sighting: such a time is clamped and marked as unknown.
    """
    time_ms = min(max(picture.taken_ms, TIME_BASE_UNIX_MS), TIME_LAST_UNIX_MS)
    doubtful = time_ms != picture.taken_ms
    x, y, w, h = (_byte(v) for v in event.bbox)
    return Alert(
        time_ms,
        None if doubtful else picture.uncertainty_ms,
        event.species,
        _byte(event.confidence),
        min(max(event.count, 1), 255),
        (x, y, w, h),
        battery,
    ).encode()


def crop(image: Image, bbox: tuple[float, float, float, float], max_bytes: int) -> bytes:
    """WebP of the animal in `bbox` (x, y, w, h in 0–1) with a margin, within 320×240 and `max_bytes`."""
    height, width = image.shape[:2]
    x, y, w, h = bbox
    left = _pixel((x - w * CROP_MARGIN) * width, 0, width - 1)
    top = _pixel((y - h * CROP_MARGIN) * height, 0, height - 1)
    right = _pixel((x + w * (1 + CROP_MARGIN)) * width + 0.999, left + 1, width)
    bottom = _pixel((y + h * (1 + CROP_MARGIN)) * height + 0.999, top + 1, height)
    return _webp(Pictures.fromarray(image[top:bottom, left:right]), CROP_PIXELS, max_bytes)


def frame(image: Image, max_bytes: int, max_pixels: int) -> bytes:
    """WebP of the whole picture, at most `max_pixels` wide and high, within `max_bytes`."""
    return _webp(Pictures.fromarray(image), (max_pixels, max_pixels), max_bytes)


def full(picture: Frame, image: Image | None = None) -> bytes:
    """JPEG of the whole picture: its own bytes where it has some (`camera.jpeg.own_jpeg`), else quality 90.

    image: its pixels, where they are unpacked already.
    """
    if picture.jpeg is not None and len(picture.jpeg) <= MAX_JPEG_BYTES:
        return picture.jpeg
    out = io.BytesIO()
    Pictures.fromarray(picture.image if image is None else image).save(out, "JPEG", quality=FULL_QUALITY)
    return out.getvalue()


def is_grey(picture: Pictures.Image) -> bool:
    """Whether an RGB picture has next to no colour, as under infrared light."""
    small = picture.resize((min(64, picture.width), min(64, picture.height)), Pictures.Resampling.BOX)
    pixels = np.asarray(small).astype(np.int16)
    return float((pixels.max(axis=2) - pixels.min(axis=2)).mean()) < GREY_CHROMA


def _webp(picture: Pictures.Image, box: tuple[int, int], max_bytes: int) -> bytes:
    """The best quality that fits `max_bytes`; the picture shrinks where the lowest does not."""
    if is_grey(picture):
        picture = picture.convert("L")  # without it the chroma of noise costs a tenth of the bytes
    scale = min(box[0] / picture.width, box[1] / picture.height, 1.0)
    while True:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        small = picture.resize(size, Pictures.Resampling.LANCZOS) if size != picture.size else picture
        best = b""
        low, high = 1, 92
        while low <= high:
            quality = (low + high) // 2
            out = io.BytesIO()
            small.save(out, "WEBP", quality=quality, method=4)
            if len(out.getvalue()) <= max_bytes:
                best, low = out.getvalue(), quality + 1
            else:
                high = quality - 1
        if best or size == (1, 1):
            return best or out.getvalue()
        scale *= 0.75


def _pixel(value: float, low: int, high: int) -> int:
    return int(min(max(value, low), high))


def _byte(value: float) -> int:
    return min(max(round(value * 255), 0), 255)
