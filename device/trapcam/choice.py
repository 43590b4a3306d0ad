"""Which frames of a burst show the animal best (pure).

The surest frame is often not the one to look at: a head that fills the picture convinces a net and tells no cat from
another. A pattern is read from a flank that is sharp, whole and seen from the side, so that is what is measured here,
once for each animal while its frame is unpacked anyway; the choice itself is made from these few numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from trapcam.frames import Image
from trapcam.judge import Seen

MOST_VIEWS = 3  # animals of a frame that are looked at so closely, the surest first
INNER = 0.2  # of a box, left out on each side: there stands the ground, which is sharp however the cat moves
EDGE = 0.012  # of the picture: a box that comes so near to its edge is taken for cut off
CUT = 0.75  # what a view is worth for each edge that cuts it
LARGE = 0.3  # of the picture: more of it shows no more of a cat
NARROW, WIDE = 0.5, 1.5  # width by height of an animal that faces the camera, and of one that crosses the view
HEAD_ON = 0.6  # what a narrow view is worth
PRINT = 16  # cells across and down, by which two views are told apart
SAME = 0.05  # views that differ less show the same again
APART_MS = 1_000.0  # that half of the worth of time apart has
LOOKS, TIME = 0.75, 0.25  # how much another look, and another time, make a further frame worth
STRIP = 128  # rows at a time: a box may be the whole picture, and its luminance in floats four times as large

Box = tuple[float, float, float, float]  # x, y, width, height, 0–1 of the picture
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class View:
    """One animal in one frame, measured.

    frame: its place in the burst; sharp: the energy of fine detail, grey levels squared; wide: the box's width by its
    height, in pixels; area: 0–1 of the picture; cut: by how many of its edges; look: PRINT × PRINT grey cells, their
    mean 0 and their length 1, or all 0.
    """

    frame: int
    taken_ms: int
    category: str
    confidence: float
    bbox: Box
    sharp: float
    wide: float
    area: float
    cut: int
    look: Floats


def views(number: int, taken_ms: int, image: Image, animals: Sequence[Seen]) -> list[View]:
    """Measure the surest `MOST_VIEWS` of `animals` in frame `number` of a burst; image: uint8 (height, width, 3)."""
    surest = sorted(animals, key=lambda seen: -seen.confidence)[:MOST_VIEWS]
    return [_view(number, taken_ms, image, seen) for seen in surest]


def choose(seen: Sequence[View], threshold: float, count: int) -> list[View]:
    """The best view, and after it the views of at most `count` - 1 other frames that add most to it.

    The best one reaches `threshold`; the others may be less sure, as the animal is known to be there. A frame that
    shows what is chosen already is left out. Of equals the earliest, so that a rerun chooses the same. Empty when no
    view reaches the threshold.
    """
    passing = [view for view in seen if view.confidence >= threshold]
    if not passing:
        return []
    # Of the burst, so that the choice does not hang on how dark or how far the animal is.
    sharpest = max(view.sharp for view in seen)
    largest = max(min(view.area, LARGE) for view in seen)
    chosen = [max(passing, key=lambda view: (worth(view, sharpest, largest), -view.frame))]
    while len(chosen) < count:
        taken = {view.frame for view in chosen}
        others = [v for v in seen if v.frame not in taken and min(_other_look(v, c) for c in chosen) >= SAME]
        if not others:
            break
        chosen.append(max(others, key=lambda v: (worth(v, sharpest, largest) ** 2 * _adds(v, chosen), -v.frame)))
    return chosen


def worth(view: View, sharpest: float, largest: float) -> float:
    """0–1: how well a view shows its animal, beside the sharpest and the largest one of its burst.

    The fourth root of the energy, the square root of the amplitude: twice as much blur weighs as much as half the size.
    """
    sharp = (view.sharp / sharpest) ** 0.25 if sharpest > 0 else 1.0
    large = (min(view.area, LARGE) / largest) ** 0.25 if largest > 0 else 1.0
    across = HEAD_ON + (1 - HEAD_ON) * (min(max(view.wide, NARROW), WIDE) - NARROW) / (WIDE - NARROW)
    return float(view.confidence * sharp * large * across * CUT**view.cut)


def spread(count: int, most: int) -> list[int]:
    """`most` places of a burst of `count` frames, evenly over it, the middle one first."""
    if count <= most:
        return sorted(range(count), key=lambda i: (abs(2 * i - count + 1), i))
    if most == 1:
        return [count // 2]
    places = [round(i * (count - 1) / (most - 1)) for i in range(most)]
    return sorted(places, key=lambda i: (abs(2 * i - count + 1), i))


def _adds(view: View, chosen: Sequence[View]) -> float:
    """0–1: how much else a view shows than those that are chosen: another side or pose, another time."""
    return min(
        LOOKS * _other_look(view, c) + TIME * (apart := abs(view.taken_ms - c.taken_ms)) / (apart + APART_MS)
        for c in chosen
    )


def _other_look(a: View, b: View) -> float:
    """0 the same, 1 nothing in common: one minus the correlation of what is in both boxes."""
    return 1.0 - max(0.0, float((a.look * b.look).sum()))


def _view(number: int, taken_ms: int, image: Image, seen: Seen) -> View:
    height, width = image.shape[:2]
    x, y, w, h = seen.bbox
    left, right = _span(x, w, width)
    top, bottom = _span(y, h, height)
    inner_w, inner_h = int((right - left) * INNER), int((bottom - top) * INNER)
    inner = image[top + inner_h : bottom - inner_h, left + inner_w : right - inner_w]
    return View(
        frame=number,
        taken_ms=taken_ms,
        category=seen.category,
        confidence=seen.confidence,
        bbox=seen.bbox,
        sharp=sharpness(inner),
        wide=(right - left) / (bottom - top),
        area=(right - left) * (bottom - top) / (width * height),
        cut=sum((x <= EDGE, y <= EDGE, x + w >= 1 - EDGE, y + h >= 1 - EDGE)),
        look=_print(image[top:bottom, left:right]),
    )


def sharpness(part: Image) -> float:
    """The energy of fine detail in a part of a picture, uint8 (height, width, 3): 0 for less than 5 × 5 pixels.

    The mean square of the second difference along rows or along columns, whichever is less: a cat that walks is
    blurred along its way and not across it. Before that the luminance is smoothed a little, or a noisy night picture
    would be the sharpest.
    """
    rows, columns = part.shape[:2]
    if rows < 5 or columns < 5:
        return 0.0
    along = across = 0.0
    pixels = 0
    for first in range(0, rows - 4, STRIP):
        grey = _luminance(part[first : first + STRIP + 4])
        smooth = _thirds(_thirds(grey, 0), 1)
        inside_x = smooth[1:-1, 2:] - 2 * smooth[1:-1, 1:-1] + smooth[1:-1, :-2]
        inside_y = smooth[2:, 1:-1] - 2 * smooth[1:-1, 1:-1] + smooth[:-2, 1:-1]
        along += float(np.square(inside_x).sum(dtype=np.float64))
        across += float(np.square(inside_y).sum(dtype=np.float64))
        pixels += inside_x.size
    return min(along, across) / pixels


def _luminance(part: Image) -> Floats:
    """ITU-R BT.601, as JPEG has it."""
    return np.asarray(part @ np.array((0.299, 0.587, 0.114), np.float32), np.float32)


def _thirds(grey: Floats, axis: int) -> Floats:
    """Smoothed by 1 2 1 along one axis; two shorter there."""
    one = np.moveaxis(grey, axis, 0)
    return np.moveaxis((one[:-2] + 2 * one[1:-1] + one[2:]) * np.float32(0.25), 0, axis)


def _print(part: Image) -> Floats:
    """A part of a picture as PRINT × PRINT cells: mean 0, length 1; all 0 where it has no contrast."""
    rows, columns = part.shape[:2]
    # So many pixels a cell at most: the mean of a hundred is as good as that of ten thousand.
    step_y, step_x = max(1, rows // (PRINT * 10)), max(1, columns // (PRINT * 10))
    grey = _luminance(part[::step_y, ::step_x])
    cells = _means(_means(grey, 0), 1)
    cells = cells - cells.mean()
    length = float(np.sqrt(np.square(cells).sum()))
    return np.asarray(cells / length if length > 1e-3 else np.zeros_like(cells), np.float32)


def _means(grey: Floats, axis: int) -> Floats:
    """The means of PRINT parts along one axis; where there are fewer pixels, one stands for several parts."""
    lines = np.moveaxis(grey, axis, 0)
    edges = [i * len(lines) // PRINT for i in range(PRINT + 1)]
    parts = [lines[a : max(b, a + 1)].mean(axis=0) for a, b in pairwise(edges)]
    return np.asarray(np.stack(parts, axis=axis), np.float32)


def _span(start: float, size: float, pixels: int) -> tuple[int, int]:
    """First and last-but-one pixel of a box along one axis: at least one pixel, inside the picture."""
    first = min(max(int(start * pixels), 0), pixels - 1)
    last = min(max(int((start + size) * pixels + 0.999), first + 1), pixels)
    return first, last
