"""Videos for tests, really encoded: each frame tells `ColourJudge` what it shows, and its own number by bars."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from cam_parts import NOTHING

from trapcam.frames import Image

CODECS = {".avi": "mjpeg", ".mov": "mjpeg", ".mp4": "libx264"}  # as most camera traps write them
RATE = 10
BITS = 8  # of a frame's number, as bars that no codec blurs away
SIZE = (64, 48)

Corner = tuple[int, int, int]


def number_of(image: Image) -> int:
    """Which frame of the video it is, from the bars of its lower half."""
    row = image[image.shape[0] * 3 // 4].mean(axis=1)
    wide = image.shape[1] // BITS
    return sum((row[bit * wide + wide // 2] > 128) << bit for bit in range(BITS))


def picture(number: int, corner: Corner, size: tuple[int, int] = SIZE) -> Image:
    """The upper half in the colour of `corner`, the lower in bars that tell the number."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2] = corner
    wide = width // BITS
    for bit in range(BITS):
        pixels[height // 2 :, bit * wide : (bit + 1) * wide] = 255 * (number >> bit & 1)
    return pixels


def write_video(
    path: Path,
    *,
    seconds: float = 3.0,
    shows: Callable[[float], Corner] = lambda at_s: NOTHING,
    codec: str = "",
    rate: int = RATE,
    size: tuple[int, int] = SIZE,
    pix_fmt: str = "",
    container: str | None = None,
) -> Path:
    """A video of `seconds`; `shows`: the colour at a time (s)."""
    codec = codec or CODECS[path.suffix]
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt or {"mjpeg": "yuvj420p", "rawvideo": "yuyv422"}.get(codec, "yuv420p")
        for number in range(round(seconds * rate)):
            frame = av.VideoFrame.from_ndarray(picture(number, shows(number / rate), size), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def cut(path: Path, share: float) -> Path:
    """Keep only the first `share` of a file's bytes, as a battery that ran empty does."""
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * share)])
    return path
