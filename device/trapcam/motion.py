"""Where something moved in a burst of a camera that stands still (pure).

What the first look missed because it is small or dim still differs from the other pictures of its burst: there the
trap looks again at full resolution. Leaves move too, so motion makes no sighting; it only says where to look.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from trapcam.frames import Frame, Grey, Image

GRID = (64, 48)  # cells across and down: 30 pixels of a 1080p frame each
TIMES_NOISE = 6.0  # how much more than the usual difference of a cell counts as motion
LEAST = 0.25  # of the picture's own contrast: quiet sensors make any flicker look large
MOST = 0.3  # of the cells; where more moved it was the camera, the wind or the light
FEWEST_CELLS = 3

Box = tuple[float, float, float, float]  # x, y, width, height, 0–1 of the picture
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Copy:
    """What motion needs of a picture: GRID cells in units of its own contrast, and its size (height, width)."""

    cells: Floats
    size: tuple[int, ...]


def copy_of(picture: Frame) -> Copy:
    """A frame's copy; its pixels are unpacked for it only where the camera gives no small luminance."""
    return small_copy(picture.image if picture.grey is None else picture.grey)


def small_copy(image: Image | Grey) -> Copy:
    """The copy of a picture, uint8 (height, width, 3) or its luminance (height, width)."""
    return Copy(_small(image), image.shape[:2])


def moved(images: Sequence[Image]) -> list[Box | None]:
    """`places` of pictures, uint8 (height, width, 3), that are all at hand."""
    return places([small_copy(image) for image in images])


def places(copies: Sequence[Copy]) -> list[Box | None]:
    """Of each picture the place that differs most from the others of the burst, or None where none stands out.

    Of a burst with pictures of several sizes, or of one picture, nothing is known.
    """
    nowhere: list[Box | None] = [None] * len(copies)
    if len(copies) < 2 or len({copy.size for copy in copies}) != 1:
        return nowhere
    small = np.stack([copy.cells for copy in copies])
    difference = np.abs(small - small[::-1]) if len(copies) == 2 else np.abs(small - np.median(small, axis=0))
    return [_place(_smooth(one)) for one in difference]


def _small(image: Image | Grey) -> Floats:
    """Grey, GRID cells, in units of the picture's own contrast, so that a flash of another strength is no motion."""
    grey = Pillow.fromarray(np.ascontiguousarray(image)).convert("L")
    cells = np.asarray(grey.resize(GRID, Pillow.Resampling.BOX, reducing_gap=2.0), np.float32)
    middle = np.median(cells)
    return np.asarray((cells - middle) / (np.abs(cells - middle).mean() + 2.0), np.float32)


def _smooth(cells: Floats) -> Floats:
    """The mean over 3 × 3 cells."""
    wide = np.pad(cells, 1, mode="edge")
    rows, columns = cells.shape
    together = sum(wide[i : i + rows, j : j + columns] for i in range(3) for j in range(3))
    return np.asarray(together / 9, np.float32)


def _place(difference: Floats) -> Box | None:
    cells = difference > max(LEAST, TIMES_NOISE * float(np.median(difference)))
    if cells.mean() > MOST:
        return None
    rows, columns = cells.shape
    best: list[tuple[int, int]] = []
    strongest = 0.0
    left = {(int(r), int(c)) for r, c in zip(*np.nonzero(cells), strict=True)}
    while left:
        part = _connected(left)
        weight = float(sum(difference[cell] for cell in part))
        if weight > strongest:
            best, strongest = part, weight
    if len(best) < FEWEST_CELLS:
        return None
    top, bottom = min(r for r, _ in best), max(r for r, _ in best) + 1
    first, last = min(c for _, c in best), max(c for _, c in best) + 1
    return first / columns, top / rows, (last - first) / columns, (bottom - top) / rows


def _connected(left: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Take one part of cells that touch, corners and gaps of one cell included, out of `left`."""
    found, edge = [], [left.pop()]
    while edge:
        row, column = edge.pop()
        found.append((row, column))
        for i in range(-2, 3):
            for j in range(-2, 3):
                near = (row + i, column + j)
                if near in left:
                    left.remove(near)
                    edge.append(near)
    return found
