"""From the net's raw numbers to detections: decodings `grid-1` to `grid-3` of the model's description (pure).

The net answers on a grid of rows × columns cells. With o the objectness, b the box and c the class outputs of a cell:
score of class k = sigmoid(o) · softmax(c)[k]; centre x = (column + tanh b0) / columns, centre y = (row + tanh b1) /
rows, width = sigmoid b2, height = sigmoid b3, all 0–1 of the picture. (FastestDet's scheme; models/train/net.py.)

`grid-2` has one more output, the log-odds p of each class for the picture as a whole, and a share a: the best score of
class k becomes sigmoid((1 - a) · logit(score above) + a · p[k]), and the others grow or shrink with it, or every patch
of fur would be a cat of its own. A cell sees fur; the picture sees the cat around it. People and vehicles keep the
cells' score: pictures of animals do not teach whether a person stands in them.

`grid-3` has the likely species as well: logits of each and of "none of them", for the picture as a whole. Their
log-odds that it is any of them are a third opinion on that category, with a share of its own (`trapcam.species`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from trapcam.detections import MIN_CONFIDENCE, PEOPLE, Detection, overlap
from trapcam.species import Likely, SpeciesOutput

Array = npt.NDArray[np.float32]
MAX_DETECTIONS = 100  # a category a picture; a herd is shown by fewer


def decode_grid(
    raw: Mapping[str, Array],
    classes: Sequence[str],
    nms_iou: float,
    picture_share: float = 0.0,
    species: SpeciesOutput | None = None,
) -> list[Detection]:
    """Return detections of at least MIN_CONFIDENCE, best first.

    raw: `objectness` (rows, columns, 1), `box` (rows, columns, 4), `classes` (rows, columns, len(classes)), and for a
    `picture_share` above 0 `picture` (1, 1, len(classes)), for `species` `species` (1, 1, names + 1), float.
    """
    box, logits = raw["box"], raw["classes"]
    rows, columns = box.shape[:2]
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scores = odds / odds.sum(axis=-1, keepdims=True) * _sigmoid(raw["objectness"])
    likely: dict[str, Likely] = {}
    if picture_share > 0 or species is not None:
        best = np.clip(scores.max(axis=(0, 1)), 1e-5, 1 - 1e-5)
        judged = np.clip(raw["picture"].reshape(-1), -12, 12)
        odds = (1 - picture_share) * np.log(best / (1 - best)) + picture_share * judged
        if species is not None:
            any_of, likely[species.of] = species.read(raw["species"].reshape(-1))
            place = classes.index(species.of)
            odds[place] = (1 - species.share) * odds[place] + species.share * np.clip(any_of, -12, 12)
        scores = scores * np.where([category in PEOPLE for category in classes], 1, _sigmoid(odds) / best)
    wide, high = _sigmoid(box[..., 2]), _sigmoid(box[..., 3])
    middle_x = (np.arange(columns)[None, :] + np.tanh(box[..., 0])) / columns
    middle_y = (np.arange(rows)[:, None] + np.tanh(box[..., 1])) / rows
    left, right = np.clip(middle_x - wide / 2, 0, 1), np.clip(middle_x + wide / 2, 0, 1)
    top, bottom = np.clip(middle_y - high / 2, 0, 1), np.clip(middle_y + high / 2, 0, 1)
    places = np.stack([left, top, right - left, bottom - top], axis=-1).reshape(-1, 4)
    found: list[Detection] = []
    for number, category in enumerate(classes):
        told = likely.get(category, ())
        found += _best_of_overlapping(category, scores[..., number].reshape(-1), places, nms_iou, told)
    return sorted(found, key=lambda d: -d.confidence)


def _best_of_overlapping(
    category: str, scores: Array, places: Array, nms_iou: float, likely: Likely
) -> list[Detection]:
    kept: list[Detection] = []
    chosen = np.flatnonzero(scores >= MIN_CONFIDENCE)
    for i in chosen[np.argsort(-scores[chosen], kind="stable")]:
        x, y, width, height = (float(v) for v in places[i])
        if width <= 0 or height <= 0:
            continue  # wholly outside the picture
        if all(overlap((x, y, width, height), other.bbox) <= nms_iou for other in kept):
            box = (x, y, width, height)
            kept.append(Detection(category=category, confidence=float(scores[i]), bbox=box, likely=likely))
            if len(kept) == MAX_DETECTIONS:
                break
    return kept


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)), np.float32)
