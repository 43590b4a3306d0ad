"""From the camera's packed pictures to pixels (pure).

A burst is kept packed, 4.5 MB a frame in place of 9, and unpacked frame by frame, strip by strip.
"""

import numpy as np
from PIL import Image as Pictures

from trapcam.camera.device import Plane
from trapcam.frames import Image

STRIP = 48  # luminance rows unpacked at once: what Pillow needs beside the result stays below 1 MB


def rows_of(height: int) -> int:
    """Rows of a packed picture of so many rows of luminance."""
    return height * 3 // 2


def pack(buffer: Plane, width: int, height: int, stride: int) -> Plane:
    """A picture as the driver lays it out, rows padded to `stride` bytes (chroma to half), without padding; a copy.

    Returns (height × 3 / 2, width).  Raises: ValueError when the buffer is too short for it.
    """
    needed = stride * rows_of(height)
    flat = buffer.reshape(-1)
    if flat.size < needed or stride < width or width % 2 or height % 2:
        raise ValueError(f"{flat.size} bytes with rows of {stride} are no {width}×{height} picture")
    packed = np.empty(width * rows_of(height), np.uint8)
    luminance = flat[: stride * height].reshape(height, stride)
    packed[: width * height].reshape(height, width)[:] = luminance[:, :width]
    chroma = flat[stride * height : needed].reshape(height, stride // 2)  # U's rows, then V's
    packed[width * height :].reshape(height, width // 2)[:] = chroma[:, : width // 2]
    return packed.reshape(rows_of(height), width)


def unpack(packed: Plane) -> Image:
    """(height, width, 3), RGB, of a packed picture (height × 3 / 2, width): YUV 4:2:0, BT.601 full range."""
    width = packed.shape[1]
    height = packed.shape[0] * 2 // 3
    flat = packed.reshape(-1)
    quarter = (height // 2) * (width // 2)
    chroma = flat[width * height : width * height + 2 * quarter].reshape(2, height // 2, width // 2)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP):
        bottom = min(top + STRIP, height)
        size = (width, bottom - top)
        half = [Pictures.fromarray(np.ascontiguousarray(plane[top // 2 : bottom // 2])) for plane in chroma]
        planes = [Pictures.fromarray(packed[top:bottom])]
        planes += [plane.resize(size, Pictures.Resampling.NEAREST) for plane in half]
        pixels[top:bottom] = np.asarray(Pictures.merge("YCbCr", planes).convert("RGB"))
    return pixels
