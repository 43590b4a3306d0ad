"""From a manifest and box proposals to pictures with boxes, sorted into training, validation and test.

Boxes come from the source where it has them, else from the proposals beside the manifest (`auto_boxes.csv`). A
proposal says where an animal is; *what* it is comes from the picture's group, because a COCO net calls a tiger a zebra.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("feline", "other_animal", "person", "vehicle")
GROUPS = {
    "felid": "feline", "domestic_cat": "feline", "other_animal": "other_animal", "person": "person",
    "vehicle": "vehicle", "empty": "",
}  # fmt: skip
SOURCE_LABELS = {
    "cat": "feline", "lion": "feline", "tiger": "feline", "leopard": "feline", "person": "person",
    "car": "vehicle", "truck": "vehicle", "bus": "vehicle", "motorcycle": "vehicle", "bicycle": "vehicle",
    "train": "vehicle", "traffic_light": "", "bench": "", "boat": "", "stop_sign": "", "airplane": "",
    "fire_hydrant": "",
}  # fmt: skip
"""Labels of source boxes; any other label is an animal that is no cat. Empty: a thing we do not look for."""

SPECIES = ("tiger", "leopard", "snow leopard", "lynx", "puma", "domestic cat", "other feline")
"""The likely species, in the order of the net's output; after them comes "no cat"."""
SPECIES_LABELS = {
    "tiger": 0, "leopard": 1, "snow_leopard": 2, "bobcat": 3, "lynx": 3, "puma": 4, "cat": 5, "caracal": 6,
    "cheetah": 6, "clouded_leopard": 6, "golden_cat": 6, "jaguar": 6, "lion": 6, "ocelot": 6,
}  # fmt: skip
"""Labels of cats; another label of a cat (`wild_cat`, `jaguar_or_leopard`) does not tell."""
NO_CAT, SOME_CAT, NOT_KNOWN = len(SPECIES), -1, -2

LONGEST_SIDE_PX = 448  # pictures are held in memory at this size; the net looks at less
COPY_BITS = 6  # difference hashes at most this far apart are taken for the same photograph
LOT = 0.15  # of the sequences, where no rule says which are to be kept apart
STRIDE = 16  # pixels a cell of the net's grid covers
PROPOSAL_SCORE = 0.35  # the proposals' own floor: below it they were not written

Box = tuple[int, float, float, float, float]  # class index, x, y, width, height; 0–1 from the top left


class DataError(Exception):
    """The manifest or a picture it names cannot be used; the message names the file and the line."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture of the manifest; `boxed` is false where a subject is in it but nobody knows where."""

    file: str
    source: str
    licence: str
    tier: str
    group: str
    label: str
    sequence: str
    camera_trap: bool
    night: bool
    boxes: tuple[Box, ...]
    boxed: bool

    @property
    def class_index(self) -> int:
        """Index into CLASSES, or -1 for an empty picture."""
        name = GROUPS[self.group]
        return CLASSES.index(name) if name else -1

    @property
    def species(self) -> int:
        """Index into SPECIES, NO_CAT, or SOME_CAT where the label does not tell."""
        return SPECIES_LABELS.get(self.label, SOME_CAT) if self.class_index == 0 else NO_CAT


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    height = min(a[2] + a[4], b[2] + b[4]) - max(a[2], b[2])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (a[3] * a[4] + b[3] * b[4] - width * height)


def _source_boxes(text: str) -> tuple[Box, ...]:
    boxes = []
    for label, *numbers in json.loads(text):
        x, y, w, h = (float(number) for number in numbers)
        if not all(map(math.isfinite, (x, y, w, h))):
            raise ValueError(f"box {numbers}: four finite numbers are needed")
        name = SOURCE_LABELS.get(label, "other_animal")
        if name and w > 0 and h > 0:
            boxes.append((CLASSES.index(name), x, y, w, h))
    return tuple(boxes)


def _proposed(rows: list[tuple[float, Box]], class_index: int) -> tuple[Box, ...]:
    """Keep the best of proposals that lie on each other: the same animal is often proposed under several names."""
    kept: list[Box] = []
    for score, box in sorted(rows, reverse=True):
        if score >= PROPOSAL_SCORE and all(overlap(box, k) < 0.45 and not _inside(box, k) for k in kept):
            kept.append((class_index, *box[1:]))
    return tuple(kept)


def _inside(a: Box, b: Box) -> bool:
    """Whether most of `a` lies in `b`: a head proposed as an animal of its own."""
    width = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    height = min(a[2] + a[4], b[2] + b[4]) - max(a[2], b[2])
    return width > 0 and height > 0 and width * height > 0.8 * a[3] * a[4]


def load_manifest(folder: Path, manifest: Path | None = None) -> list[Picture]:
    """Read `manifest.csv` (or another file like it) and, where present, `auto_boxes.csv` of a folder of pictures.

    Raises:
        DataError: a row is damaged; the message names file and line.
    """
    proposals: dict[str, list[tuple[float, Box]]] = defaultdict(list)
    boxes_csv = folder / "auto_boxes.csv"
    if boxes_csv.is_file():
        with boxes_csv.open(newline="", encoding="utf-8") as stream:
            for line, row in enumerate(csv.DictReader(stream), start=2):
                try:
                    box = (int(row["coco_class"]), *(float(row[key]) for key in ("x", "y", "w", "h")))
                    proposals[row["file"]].append((float(row["score"]), box))  # type: ignore[arg-type]
                except (KeyError, TypeError, ValueError) as error:
                    raise DataError(f"{boxes_csv}, line {line}: {error}") from error
    pictures = []
    manifest = manifest or folder / "manifest.csv"
    with manifest.open(newline="", encoding="utf-8") as stream:
        for line, row in enumerate(csv.DictReader(stream), start=2):
            try:
                pictures.append(_picture(row, proposals.get(row["file"], [])))
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{manifest}, line {line}: {error!r}") from error
    return pictures


def _picture(row: dict[str, str], proposals: list[tuple[float, Box]]) -> Picture:
    group = row["group"]
    class_name = GROUPS[group]
    boxes: tuple[Box, ...] = ()
    if row["boxes"]:
        boxes = _source_boxes(row["boxes"])
    elif class_name in ("feline", "other_animal"):
        boxes = _proposed(proposals, CLASSES.index(class_name))
    return Picture(
        file=row["file"], source=row["source_repo"], licence=row["licence"], tier=row["tier"], group=group,
        label=row["label"], sequence=row["sequence_id"], camera_trap=row["camera_trap"] == "yes",
        night=row["night"] == "yes", boxes=boxes, boxed=bool(boxes or row["boxes"]) or group == "empty",
    )  # fmt: skip


def split(pictures: Iterable[Picture], rules: Path) -> dict[str, list[Picture]]:
    """Sort pictures into `train`, `validation` and `test` by the first fitting rule of `rules` (splits.toml).

    Where the rules know none of the sources, LOT of the sequences go to validation and as many to test.
    """
    table = tomllib.loads(rules.read_text("utf-8"))["rule"]
    parts: dict[str, list[Picture]] = {"train": [], "validation": [], "test": []}
    pictures = list(pictures)
    if not {picture.source for picture in pictures} & {rule["source"] for rule in table}:
        # Somebody else's pictures: whole sequences by lot, the same ones every time.
        for picture in pictures:
            lot = hashlib.sha256(f"{picture.source}\0{picture.sequence or picture.file}".encode()).digest()[0] / 256
            parts["validation" if lot < LOT else "test" if lot < 2 * LOT else "train"].append(picture)
        return parts
    for picture in pictures:
        for rule in table:
            if (
                picture.source == rule["source"]
                and picture.label in rule.get("labels", [picture.label])
                and picture.sequence in rule.get("sequences", [picture.sequence])
            ):
                parts[rule["split"]].append(picture)
                break
        else:
            parts["train"].append(picture)
    return parts


def read_pixels(path: Path) -> np.ndarray:
    """Return a picture as uint8 (height, width, 3) RGB, at most LONGEST_SIDE_PX a side."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (LONGEST_SIDE_PX, LONGEST_SIDE_PX))
            image = image.convert("RGB")
            image.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX), Image.Resampling.BILINEAR)
            return np.asarray(image)
    except OSError as error:
        raise DataError(f"{path}: {error}") from error


class Pixels(Mapping[str, np.ndarray]):
    """Pictures by file name, all in one mapped file: any number of processes share one copy in memory."""

    def __init__(self, path: Path, places: dict[str, tuple[int, int, int]]) -> None:
        self._path, self._places = path, places
        self._bytes = np.memmap(path, np.uint8, "r")

    def __getitem__(self, file: str) -> np.ndarray:
        start, height, width = self._places[file]
        return np.asarray(self._bytes[start : start + height * width * 3]).reshape(height, width, 3)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __reduce__(self) -> tuple[type[Pixels], tuple[Path, dict[str, tuple[int, int, int]]]]:
        return Pixels, (self._path, self._places)


def read_all(folder: Path, pictures: Sequence[Picture], path: Path) -> Pixels:
    """Read all pictures of a folder into one file, `path`."""
    places, start = {}, 0
    with path.open("wb") as stream:
        for picture in pictures:
            pixels = read_pixels(folder / picture.file)
            places[picture.file] = (start, *pixels.shape[:2])
            start += stream.write(pixels.tobytes())
    return Pixels(path, places)


def fingerprint(pixels: np.ndarray) -> int:
    """64-bit difference hash: the same photograph at another size or quality differs in a few bits at most."""
    small = np.asarray(Image.fromarray(pixels).convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def drop_copies(train: list[Picture], held_out: list[Picture], prints: dict[str, int]) -> list[Picture]:
    """Return the training pictures without those that are copies of a held-out one.

    The web-search sources overlap. Bursts of a fixed camera all look alike, so camera-trap pictures, which are
    separated by sequence, are left out of the comparison.
    """
    apart = np.array([prints[p.file] for p in held_out if not p.camera_trap], np.uint64)
    return [
        p
        for p in train
        if p.camera_trap or not len(apart) or int(np.bitwise_count(apart ^ np.uint64(prints[p.file])).min()) > COPY_BITS
    ]


def list_sha256(pictures: Iterable[Picture]) -> str:
    """Hash of a picture list with its boxes: what exactly a model was trained on."""
    text = io.StringIO()
    for p in sorted(pictures, key=lambda p: p.file):
        text.write(json.dumps([p.file, p.group, [list(b) for b in p.boxes]]) + "\n")
    return hashlib.sha256(text.getvalue().encode()).hexdigest()


def with_boxes(picture: Picture, boxes: tuple[Box, ...]) -> Picture:
    """The same picture with boxes found later."""
    return replace(picture, boxes=boxes, boxed=bool(boxes))
