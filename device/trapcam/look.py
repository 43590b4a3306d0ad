"""The second look: where to look again at full resolution, and what both looks say together (pure).

The first look sees the whole picture, stretched small: a cat that fills a twentieth of it is a few dozen pixels. So
the surest animal is cut out with some ground around it and looked at again by the same net; where there is none, what
moved in the burst (`motion`). Neither look alone decides:
an animal's confidence is the weighted mean of both, as log-odds (models/CARD.md has what this is worth).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trapcam import species
from trapcam.detections import MIN_CONFIDENCE, PEOPLE, Detection

SMALLEST_PX = 64  # a window below this shows the net nothing that the first look had not
Window = tuple[int, int, int, int]  # left, top, right, bottom in pixels
Box = tuple[float, float, float, float]  # x, y, width, height, 0–1 of the picture


@dataclass(frozen=True, kw_only=True)
class SecondLook:
    """How to look again: a square of `grow` times the box's longer side; the second look weighs `share` (0–1); only
    where the first look's surest animal has at least `from_confidence`."""

    grow: float
    share: float
    from_confidence: float


def window(
    first: Sequence[Detection], width_px: int, height_px: int, plan: SecondLook, moved: Box | None = None
) -> Window | None:
    """Where to look again in a picture of that size: at the surest animal, else at what `moved` there, else None."""
    animals = [d for d in first if d.category not in PEOPLE and d.confidence >= plan.from_confidence]
    place = max(animals, key=lambda d: d.confidence).bbox if animals else moved
    if place is None:
        return None
    x, y, w, h = place
    side = min(max(max(w * width_px, h * height_px) * plan.grow, SMALLEST_PX), max(width_px, height_px))
    left = min(max((x + w / 2) * width_px - side / 2, 0.0), max(0.0, width_px - side))
    top = min(max((y + h / 2) * height_px - side / 2, 0.0), max(0.0, height_px - side))
    return int(left), int(top), int(min(width_px, left + side)), int(min(height_px, top + side))


def merge(
    first: Sequence[Detection],
    second: Sequence[Detection],
    where: Window,
    width_px: int,
    height_px: int,
    plan: SecondLook,
) -> list[Detection]:
    """Both looks as detections in the whole picture, best first.

    The surest animal of each category inside the window has the mean confidence of both looks, and the others there
    grow or shrink with it; an animal that only one look saw counts as hardly seen by the other. People and vehicles
    count as each look saw them: for them the surer one is right.
    """
    placed = [_placed(d, where, width_px, height_px) for d in second]
    again = {category: _best(placed, category) for category in {d.category for d in [*first, *placed]} - set(PEOPLE)}
    merged: list[Detection] = []
    closer = {d.category: d.likely for d in placed}
    surest: dict[str, float] = {}
    for d in sorted(first, key=lambda d: -d.confidence):
        if d.category in again and _inside(d, where, width_px, height_px):
            best = surest.setdefault(d.category, d.confidence)
            confidence = d.confidence / best * mean_odds(best, again[d.category], plan.share)
            if confidence >= MIN_CONFIDENCE:
                likely = species.mean([d.likely, closer.get(d.category, ())])
                merged.append(replace(d, confidence=confidence, likely=likely))
        else:
            merged.append(d)
    seen = {d.category for d in merged if _inside(d, where, width_px, height_px)}
    for d in placed:
        if d.category in PEOPLE:
            merged.append(d)
        elif d.category not in seen:
            seen.add(d.category)
            confidence = mean_odds(MIN_CONFIDENCE, d.confidence, plan.share)
            if confidence >= MIN_CONFIDENCE:
                merged.append(replace(d, confidence=confidence))
    return sorted(merged, key=lambda d: -d.confidence)


def mean_odds(first: float, second: float, share: float) -> float:
    """The weighted mean of two confidences as log-odds; `share`: the second's weight."""
    odds = (1 - share) * _odds(first) + share * _odds(second)
    return 1 / (1 + math.exp(-odds))


def _odds(confidence: float) -> float:
    inner = min(max(confidence, 1e-4), 1 - 1e-4)
    return math.log(inner / (1 - inner))


def _best(found: Sequence[Detection], category: str) -> float:
    return max((d.confidence for d in found if d.category == category), default=MIN_CONFIDENCE)


def _inside(d: Detection, where: Window, width_px: int, height_px: int) -> bool:
    x, y = (d.bbox[0] + d.bbox[2] / 2) * width_px, (d.bbox[1] + d.bbox[3] / 2) * height_px
    return where[0] <= x <= where[2] and where[1] <= y <= where[3]


def _placed(d: Detection, where: Window, width_px: int, height_px: int) -> Detection:
    """A detection of the window as one of the whole picture."""
    left, top, right, bottom = where
    x, y, w, h = d.bbox
    wide, high = (right - left) / width_px, (bottom - top) / height_px
    return replace(d, bbox=(left / width_px + x * wide, top / height_px + y * high, w * wide, h * high))
