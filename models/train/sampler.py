"""Draws training samples and writes the grid that the net is asked to answer with.

A batch is a pure function of (seed, step): it can be made in another process and made again after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from . import augment
from .data import CLASSES, NO_CAT, NOT_KNOWN, STRIDE, Box, Picture
from .recipe import FULL, Levers

UNKNOWN = -1.0
WEIGHTS = {"person": 2.5, "vehicle": 3.0, "empty": 1.5, "domestic_cat": 1.3}
CAMERA_TRAP_WEIGHT = 1.6  # few, and the nearest to what the trap will see
SHARE_NOTHING, SHARE_BACKGROUND, SHARE_PASTED = 0.05, 0.06, 0.14
SHARE_NEAR = 0.06  # of the photographs with boxes: what the second look will see
CUT_OUTS = (0.5, 0.36, 0.09, 0.05)  # how often one of each class is pasted


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A picture as the trap sees it and as it was, its boxes, whether all of its subjects have one, which classes are
    surely there (1) or not (0) or either (-1), and the cat's species (`data.SPECIES`) or one of its other codes."""

    image: np.ndarray
    clean: np.ndarray
    boxes: list[Box]
    boxed: bool
    present: np.ndarray
    species: int


class Sampler:
    """Samples from `pictures`, whose pixels are in `pixels` by file name. A kind of sample that `levers` leaves out
    is a photograph instead."""

    def __init__(
        self, pictures: Sequence[Picture], pixels: Mapping[str, np.ndarray], size: int, seed: int,
        levers: Levers = FULL,
    ) -> None:  # fmt: skip
        self._levers = levers
        self._pictures, self._pixels, self._size, self._seed = list(pictures), pixels, size, seed
        weights = np.array([WEIGHTS.get(p.group, 1.0) * (CAMERA_TRAP_WEIGHT if p.camera_trap else 1) for p in pictures])
        self._weights = weights / weights.sum()
        self._no_cats = [p for p in pictures if p.group in ("other_animal", "vehicle", "empty")]
        self._empties = [p for p in pictures if p.group == "empty"]
        self._cut_outs = [[p for p in pictures if p.class_index == i and p.boxes] for i in range(len(CLASSES))]

    def batch(self, step: int, count: int) -> dict[str, np.ndarray]:
        """Return `image` uint8 (count, size, size, 3), `clean` before light and lens, the targets of `grid`, `present`
        float (count, classes) and `species` int (count,)."""
        rng = np.random.default_rng((self._seed, step))
        samples = [self._sample(rng) for _ in range(count)]
        grids = [grid(sample.boxes, sample.boxed, self._size) for sample in samples]
        batch = {key: np.stack([g[key] for g in grids]) for key in grids[0]}
        for key in ("image", "clean", "present", "species"):
            batch[key] = np.stack([getattr(sample, key) for sample in samples])
        return batch

    def _pick(self, pool: list[Picture], rng: np.random.Generator) -> Picture:
        return pool[int(rng.integers(len(pool)))]

    def _sample(self, rng: np.random.Generator) -> Sample:
        kind = rng.random()
        absent = np.zeros(len(CLASSES), np.float32)
        if kind < SHARE_NOTHING:
            made = augment.nothing(self._size, rng)
            image = augment.lens(made, rng) if self._levers.weather else made
            return Sample(image=image, clean=made, boxes=[], boxed=True, present=absent, species=NO_CAT)
        if kind < SHARE_NOTHING + SHARE_BACKGROUND:
            if self._levers.negatives:
                return self._background(rng)
        elif kind < SHARE_NOTHING + SHARE_BACKGROUND + SHARE_PASTED and self._empties and self._levers.pasted:
            pool = self._cut_outs[int(rng.choice(len(CLASSES), p=CUT_OUTS))]
            if pool:
                return self._pasted(self._pick(pool, rng), rng)
        picture = self._pictures[int(rng.choice(len(self._pictures), p=self._weights))]
        return self._photograph(picture, rng)

    def _pasted(self, animal: Picture, rng: np.random.Generator) -> Sample:
        box = animal.boxes[int(rng.integers(len(animal.boxes)))]
        empty = self._pixels[self._pick(self._empties, rng).file]
        image, boxes = augment.paste(empty, self._pixels[animal.file], box, self._size, rng)
        present = np.zeros(len(CLASSES), np.float32)
        present[box[0]] = 1
        return self._finish(image, boxes, True, present, animal.species if box[0] == 0 else NO_CAT, rng)

    def _photograph(self, picture: Picture, rng: np.random.Generator) -> Sample:
        zoom = (0.45, 2.2) if picture.boxes else (0.85, 1.15)
        fill = self._pixels[self._pick(self._empties, rng).file] if self._empties and rng.random() < 0.3 else None
        pixels, all_boxes = self._pixels[picture.file], list(picture.boxes)
        if all_boxes and rng.random() < SHARE_NEAR and self._levers.near:
            pixels, all_boxes = augment.near(pixels, all_boxes, all_boxes[int(rng.integers(len(all_boxes)))], rng)
            zoom, fill = (0.85, 1.15), None
        for _ in range(6):
            image, boxes = augment.crop(pixels, all_boxes, self._size, rng, zoom=zoom, fill=fill)
            if not picture.boxes or any(box[0] >= 0 for box in boxes):
                break
        present = present_in(picture, boxes)
        species = NOT_KNOWN if present[0] < 0 else picture.species if present[0] else NO_CAT
        return self._finish(image, boxes, picture.boxed, present, species, rng)

    def _background(self, rng: np.random.Generator) -> Sample:
        """A close crop of a picture without cats: whatever it shows, it is no cat."""
        picture = self._pick(self._no_cats, rng)
        image, boxes = augment.crop(
            self._pixels[picture.file], picture.boxes, self._size, rng, zoom=(0.15, 0.5), fill=None
        )
        present = np.full(len(CLASSES), UNKNOWN, np.float32)
        present[0] = 0
        for box in boxes:
            if box[0] >= 0:
                present[box[0]] = 1
        return self._finish(image, boxes, picture.boxed, present, NO_CAT, rng)

    def _finish(
        self, image: np.ndarray, boxes: list[Box], boxed: bool, present: np.ndarray, species: int,
        rng: np.random.Generator,
    ) -> Sample:  # fmt: skip
        if rng.random() < 0.5:
            image, boxes = augment.flip(image, boxes)
        image = np.ascontiguousarray(image)
        shown = augment.look(image, rng, self._levers)
        return Sample(image=shown, clean=image, boxes=boxes, boxed=boxed, present=present, species=species)


def present_in(picture: Picture, boxes: Sequence[Box]) -> np.ndarray:
    """What is surely in the picture (1), surely not (0), or not known (-1), per class: float (classes,)."""
    present = np.full(len(CLASSES), UNKNOWN, np.float32)
    if picture.group == "empty":
        present[:] = 0
    elif picture.class_index < 2:  # an animal picture names its animal; people were not looked for in it
        present[:2] = 0
    else:
        present[0] = 0
    if picture.class_index >= 0:
        seen = not picture.boxes or any(box[0] == picture.class_index for box in boxes)
        present[picture.class_index] = 1 if seen else UNKNOWN
    for box in boxes:
        if box[0] >= 0:
            present[box[0]] = 1
    return present


def grid(boxes: Sequence[Box], boxed: bool, size: int) -> dict[str, np.ndarray]:
    """Return the targets on the net's grid of n = size/16 cells a side.

    `object` float (n, n): 1 a box's middle, 0 nothing, -1 not to be learned from; `class` int (n, n); `box` float
    (n, n, 4): centre x, centre y, width, height, 0–1. A box owns the four cells around its middle, .
    """
    cells = size // STRIDE
    target = np.zeros((cells, cells), np.float32)
    classes = np.zeros((cells, cells), np.int32)
    places = np.zeros((cells, cells, 4), np.float32)
    if not boxed:
        target[:] = UNKNOWN
    for cls, x, y, w, h in boxes:
        if cls < 0:
            target[int(y * cells) : int((y + h) * cells) + 1, int(x * cells) : int((x + w) * cells) + 1] = UNKNOWN
    for cls, x, y, w, h in sorted(boxes, key=lambda b: -b[3] * b[4]):  # small ones last: they win the cell
        if cls < 0:
            continue
        cx, cy = x + w / 2, y + h / 2
        for row in (int(cy * cells), int(cy * cells) + 1):
            for col in (int(cx * cells), int(cx * cells) + 1):
                if row < cells and col < cells:
                    target[row, col], classes[row, col] = 1, cls
                    places[row, col] = cx, cy, w, h
    return {"object": target, "class": classes, "box": places}
