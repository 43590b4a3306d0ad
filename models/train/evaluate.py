"""Picture-level figures: what the trap would keep. A picture's score for a class is its best detection's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trapcam.detections import PEOPLE

from . import net
from .data import CLASSES, NO_CAT, SPECIES, Picture

FALSE_KEEPS = 0.02
PICTURE_SHARE = 0.5  # how much the judgement of the whole picture weighs beside the best cell
SPECIES_SHARE = 0.33  # and how much, beside both, the odds of any species of cat against none
Outputs = Callable[[np.ndarray], Sequence[Any]]


def to_input(pixels: np.ndarray, size: int) -> np.ndarray:
    """Stretch to the net's square, as the trap does: uint8 (size, size, 3)."""
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))


def scores(
    outputs: Outputs, size: int, pictures: Sequence[Picture], pixels: Mapping[str, np.ndarray], batch: int = 32
) -> np.ndarray:
    """Best score of each class in each picture: float (pictures, classes).

    `outputs` takes uint8 (batch, size, size, 3) and returns the raw objectness, boxes, classes, the judgement of the
    whole picture and the species. This is the first look alone.
    """
    rows = []
    for i in range(0, len(pictures), batch):
        images = np.stack([to_input(pixels[p.file], size) for p in pictures[i : i + batch]])
        obj, box, cls, judged, species = (np.asarray(out) for out in outputs(images)[: net.SHIPPED])
        rows.append(fuse(net.decode(obj, box, cls)[0].max(axis=1), judged[:, 0, 0], species[:, 0, 0]))
    return np.concatenate(rows)


def fuse(best: np.ndarray, judged: np.ndarray, species: np.ndarray) -> np.ndarray:
    """A class's score from its best cell, the whole picture's log-odds and, for cats, the species' logits, as
    `trapcam.decode` does; people and vehicles keep the cell's."""
    best = np.clip(best, 1e-5, 1 - 1e-5)
    logit = (1 - PICTURE_SHARE) * np.log(best / (1 - best)) + PICTURE_SHARE * np.clip(judged, -12, 12)
    any_cat = np.log(np.exp(species[:, :NO_CAT]).sum(axis=1)) - species[:, NO_CAT]
    logit[:, 0] = (1 - SPECIES_SHARE) * logit[:, 0] + SPECIES_SHARE * np.clip(any_cat, -12, 12)
    together = 1 / (1 + np.exp(-logit))
    return np.where([name in PEOPLE for name in CLASSES], best, together)


def as_it_is(image: Image.Image) -> Image.Image:
    """RGB."""
    return image.convert("RGB")


def grey(image: Image.Image) -> Image.Image:
    """RGB without colour."""
    return image.convert("L").convert("RGB")


def trap_scores(
    detector: Any, folder: Path, pictures: Sequence[Picture], see: Callable[[Image.Image], Image.Image] = as_it_is
) -> tuple[np.ndarray, list[str]]:
    """Best score of each class as the trap itself finds it, second look and all: float (pictures, classes); and the
    likeliest species of the surest cat in each picture ("" where none is told). `see` is done to each picture first."""
    rows, species = [], []
    for done, picture in enumerate(pictures):
        with Image.open(folder / picture.file) as image:
            found = detector.detect(np.asarray(see(image)))
        rows.append([max((d.confidence for d in found if d.category == c), default=0.0) for c in CLASSES])
        cat = next((d for d in found if d.category == CLASSES[0] and d.likely), None)
        species.append(max(cat.likely, key=lambda guess: guess[1])[0] if cat else "")
        if done % 200 == 199:
            print(f"  {done + 1} of {len(pictures)} pictures", file=sys.stderr, flush=True)
    return np.array(rows), species


def naming(species: Sequence[str], pictures: Sequence[Picture]) -> dict[str, float]:
    """Of the cats of each known species: the share whose likeliest species is the right one."""
    known = [(SPECIES[p.species], said) for p, said in zip(pictures, species, strict=True) if 0 <= p.species < NO_CAT]
    table = {"all": round(float(np.mean([true == said for true, said in known])), 4) if known else float("nan")}
    for name in sorted({true for true, _ in known}):
        table[name] = round(float(np.mean([name == said for true, said in known if true == name])), 4)
    return table


def keras_outputs(model: Any) -> Outputs:
    """Run the float net on uint8 pictures."""
    return lambda images: model(images.astype(np.float32) / 255, training=False)


def is_feline(pictures: Sequence[Picture]) -> np.ndarray:
    """Bool (pictures,)."""
    return np.array([p.class_index == 0 for p in pictures])


def threshold_at(score: np.ndarray, positive: np.ndarray, false_keeps: float = FALSE_KEEPS) -> float:
    """Lowest threshold that lets at most this share of the negatives pass (score ≥ threshold)."""
    negative = np.sort(score[~positive])[::-1]
    allowed = int(false_keeps * len(negative))
    return float(np.nextafter(negative[allowed], 2.0)) if allowed < len(negative) else 0.0


def roc_area(score: np.ndarray, positive: np.ndarray) -> float:
    """Chance that a random positive scores above a random negative."""
    negative = np.sort(score[~positive])
    below = np.searchsorted(negative, score[positive], "left") + np.searchsorted(negative, score[positive], "right")
    return float(below.mean() / 2 / len(negative))


def quick(model: Any, pictures: Sequence[Picture], pixels: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Recall at 2 % false keeps and ROC area of a float net, overall and on camera-trap pictures."""
    size = int(model.input_shape[1])
    score, positive = scores(keras_outputs(model), size, pictures, pixels)[:, 0], is_feline(pictures)
    trap = np.array([p.camera_trap for p in pictures])
    out = {}
    for name, chosen in (("all", np.ones_like(trap)), ("camera_trap", trap)):
        limit = threshold_at(score[chosen], positive[chosen])
        out[f"{name}_recall"] = round(float((score[chosen & positive] >= limit).mean()), 4)
        out[f"{name}_auc"] = round(roc_area(score[chosen], positive[chosen]), 4)
    return out


def recall_rows(score: np.ndarray, pictures: Sequence[Picture], limit: float) -> list[tuple[str, int, float]]:
    """Share of pictures at or above `limit` by group, label, source, camera trap and night: (name, count, share)."""
    keys: dict[str, list[int]] = {}
    for i, p in enumerate(pictures):
        for key in _strata(p):
            keys.setdefault(key, []).append(i)
    return [(key, len(rows), float((score[rows] >= limit).mean())) for key, rows in sorted(keys.items())]


def _strata(p: Picture) -> list[str]:
    kind = "feline" if p.class_index == 0 else "not feline"
    keys = [f"{kind}", f"{kind}, {p.group}", f"{kind}, source {p.source}"]
    if p.class_index == 0:
        keys.append(f"{kind}, species {p.label}")
        if p.boxes:
            area = max(b[3] * b[4] for b in p.boxes)
            keys.append(f"{kind}, box {'under 5 %' if area < 0.05 else '5 to 20 %' if area < 0.2 else 'over 20 %'}")
    if p.camera_trap:
        keys += [f"{kind}, camera trap", f"{kind}, camera trap, {'night' if p.night else 'day'}"]
    return keys
