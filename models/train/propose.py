"""Boxes for people and vehicles, which the proposals beside the manifest leave out: FastestDet finds them.

FastestDet is a COCO detector; only pictures that their source calls *person* or *vehicle* are asked, and only
for those classes, so a wrong answer is rare. Pictures where it finds nothing stay without a box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from . import fastestdet
from .data import CLASSES, Box, Picture, overlap, with_boxes
from .net import decode

SIZE = 352  # what the published weights were trained at
FLOOR = 0.35  # of obj^0.6 · class^0.4, the score of the published net
COCO = {CLASSES.index("person"): (fastestdet.COCO_PERSON,), CLASSES.index("vehicle"): fastestdet.COCO_VEHICLES}


def people_and_vehicles(
    pictures: Sequence[Picture], pixels: Mapping[str, np.ndarray], state: Mapping[str, np.ndarray]
) -> list[Picture]:
    """Return the pictures, those of people and vehicles without boxes now with boxes where any were found."""
    model = fastestdet.build(SIZE)
    fastestdet.load(model, state)
    done = []
    for picture in pictures:
        if picture.group not in ("person", "vehicle") or picture.boxed:
            done.append(picture)
            continue
        image = np.asarray(Image.fromarray(pixels[picture.file]).resize((SIZE, SIZE)), np.float32)[None] / 255
        obj, box, cls = (np.asarray(out) for out in model(image, training=False))
        classes = np.exp(cls - cls.max(axis=-1, keepdims=True))
        classes = (classes / classes.sum(axis=-1, keepdims=True)).reshape(-1, 80)
        found = 1 / (1 + np.exp(-obj.reshape(-1)))
        places = decode(obj, box, cls)[1][0]
        candidates: list[tuple[float, Box]] = []
        for index, coco in COCO.items():
            scores = found**0.6 * classes[:, list(coco)].sum(axis=1) ** 0.4
            candidates += [(float(scores[i]), (index, *map(float, places[i]))) for i in np.flatnonzero(scores > FLOOR)]
        kept: list[Box] = []
        for _, candidate in sorted(candidates, reverse=True):
            if all(overlap(candidate, k) < 0.45 for k in kept):
                kept.append(candidate)
        done.append(with_boxes(picture, tuple(_clip(k) for k in kept)) if kept else picture)
    return done


def _clip(box: Box) -> Box:
    cls, x, y, w, h = box
    x0, y0, x1, y1 = max(x, 0.0), max(y, 0.0), min(x + w, 1.0), min(y + h, 1.0)
    return (cls, round(x0, 4), round(y0, 4), round(max(x1 - x0, 1e-3), 4), round(max(y1 - y0, 1e-3), 4))
