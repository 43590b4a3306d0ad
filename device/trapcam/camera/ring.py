"""The last seconds of a live camera, to find a trigger's time in.

A trigger waits while earlier bursts are judged, so the ring covers that long besides the time before it. Pictures
stay as the camera packed them (a JPEG of some 100 kB in place of 6 MB of pixels) until a burst is asked for.
"""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass

import av
import numpy as np

from trapcam.camera.still import ReadError
from trapcam.frames import Image

COVER_S = 60.0  # 16 triggers may wait (trapcam.app), of 4 s each on a slow board
# Beside a burst's pixels in 512 MB. JPEGs of 100 kB at four a second: all 60 s; raw pictures of 1280×720: 18 of them.
MAX_RING_BYTES = 32 * 2**20


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A picture as it came: when (Unix ms, UTC; s of the monotonic clock), its bytes, and how to read them."""

    taken_ms: int
    at_s: float
    data: bytes
    codec: str
    width: int
    height: int
    pix_fmt: str


class Ring:
    """Pictures at least `every_s` apart, of the last `cover_s`, within `max_bytes`: the oldest go first.

    The newest stays, however large; whoever adds it bounds it.
    """

    def __init__(self, every_s: float, cover_s: float, max_bytes: int) -> None:
        self._every_s = every_s
        self._cover_s = cover_s
        self._max_bytes = max_bytes
        self._pictures: deque[Packed] = deque()
        self._bytes = 0

    def add(self, picture: Packed) -> None:
        """Keep it, unless it comes sooner than `every_s` after the last."""
        kept = self._pictures
        if kept and picture.at_s < kept[-1].at_s + self._every_s:
            return
        kept.append(picture)
        self._bytes += len(picture.data)
        while len(kept) > 1 and (self._bytes > self._max_bytes or picture.at_s - kept[0].at_s > self._cover_s):
            self._bytes -= len(kept.popleft().data)

    def after(self, at_s: float) -> list[Packed]:
        """The pictures younger than `at_s` (monotonic), oldest first."""
        return [picture for picture in self._pictures if picture.at_s > at_s]


def unpack(picture: Packed, max_pixels: float) -> Image:
    """The pixels of an uncompressed picture, RGB.  Raises: ReadError."""
    pixels = picture.width * picture.height
    if pixels > max_pixels:
        raise ReadError(f"gave {pixels / 1e6:.1f} megapixels, allowed are {max_pixels / 1e6:g}")
    context = av.CodecContext.create(picture.codec, "r")
    with suppress(av.FFmpegError, ValueError):
        if isinstance(context, av.VideoCodecContext):
            context.width, context.height, context.pix_fmt = picture.width, picture.height, picture.pix_fmt
            for frame in context.decode(av.Packet(picture.data)):
                return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    raise ReadError(f"gave {len(picture.data)} bytes that are no {picture.width}×{picture.height} picture")
