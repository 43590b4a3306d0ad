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


def pack(buffer: Plane, width: int, height: int, stride: int, *, interleaved: bool = False) -> Plane:
    """A picture as the driver lays it out, rows padded to `stride` bytes (chroma to half), without padding; a copy.

    interleaved: U and V alternate in one plane with rows of `stride` bytes (NV12). Returns (height × 3 / 2, width).
    Raises: ValueError when the buffer is too short for it.
    """
    needed = stride * rows_of(height)
    flat = buffer.reshape(-1)
    if flat.size < needed or stride < width or width % 2 or height % 2:
        raise ValueError(f"{flat.size} bytes with rows of {stride} are no {width}×{height} picture")
    packed = np.empty(width * rows_of(height), np.uint8)
    luminance = flat[: stride * height].reshape(height, stride)
    packed[: width * height].reshape(height, width)[:] = luminance[:, :width]
    rest = flat[stride * height : needed]
    target = packed[width * height :].reshape(2, height // 2, width // 2)
    if interleaved:
        pairs = rest.reshape(height // 2, stride)[:, :width].reshape(height // 2, width // 2, 2)
        target[0], target[1] = pairs[..., 0], pairs[..., 1]
    else:
        target[:] = rest.reshape(2, height // 2, stride // 2)[:, :, : width // 2]
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
