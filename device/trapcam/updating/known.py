"""Does a detector find what is known to be in a picture? A release whose model does not is taken back.

`known.jpg`: the cat Chelsea, photographed by Stéfan van der Walt and given away (CC0), on grey, so that her place
counts as well as her kind; looked at as she is and mirrored.
"""

import io
from importlib.resources import files

import numpy as np
from PIL import Image as Pillow

from trapcam.frames import Image
from trapcam.judge import Judge

CATEGORY = "feline"
BOX = (0.386, 0.413, 0.452, 0.42)  # x, y, width, height
SAME = 0.5  # of the two boxes' union that both have: another model draws a bit otherwise, and finds the same cat


def finds_the_known(judge: Judge) -> bool:
    """Whether the cat is found where she is, and nothing else passes its threshold; of a model without felines only
    that it looks at all."""
    picture = known_picture()
    x, y, width, height = BOX
    return _finds(judge, picture, BOX) and _finds(
        judge, np.ascontiguousarray(picture[:, ::-1]), (1 - x - width, y, width, height)
    )


def known_picture() -> Image:
    """uint8 (height, width, 3), RGB."""
    data = (files("trapcam") / "updating" / "known.jpg").read_bytes()
    return np.asarray(Pillow.open(io.BytesIO(data)).convert("RGB"))


def _finds(judge: Judge, picture: Image, box: tuple[float, float, float, float]) -> bool:
    thresholds = judge.description.thresholds
    counted = [one for one in judge.detect(picture) if one.confidence >= thresholds.get(one.category, 1.0)]
    if CATEGORY not in thresholds:
        return True
    return bool(counted) and all(one.category == CATEGORY and _overlap(one.bbox, box) >= SAME for one in counted)


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(across, 0.0) * max(down, 0.0)
    return both / (one[2] * one[3] + other[2] * other[3] - both)
