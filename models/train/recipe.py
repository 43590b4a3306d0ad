"""What of the recipe can be left out, to measure what it brings: `python -m train --without LEVER`, `train.levers`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Levers:
    """Each true in the full recipe; what is false is left out, and all else stays as it is."""

    weights: bool = True
    lesson: bool = True
    pasted: bool = True
    night: bool = True
    weather: bool = True
    negatives: bool = True
    near: bool = True


FULL = Levers()
LEFT_OUT = {
    "weights": "the published starting weights (random ones instead, all of the trunk at the head's rate)",
    "lesson": "distillation: what the published net says of a picture, cats' species included",
    "pasted": "animals cut out and put into empty frames",
    "night": "infra-red grading",
    "weather": "fog, flare, low contrast, blur, coarse pixels, sensor noise, JPEG",
    "negatives": "close crops of pictures without cats",
    "near": "close-ups at the picture's own resolution, as the second look sees them",
}
"""What a net has not had that learned without the lever."""
NAMES = tuple(field.name for field in fields(Levers))


def without(names: Iterable[str]) -> Levers:
    """The recipe less the levers of these names.

    Raises: ValueError that names what is no lever.
    """
    names = tuple(names)
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no lever: {', '.join(NAMES)}")
    return Levers(**dict.fromkeys(names, False))
