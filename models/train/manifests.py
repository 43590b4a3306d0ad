"""Other people's lists of pictures: MegaDetector's results and COCO (also COCO Camera Traps), as `data.Picture`s.

What an animal is, such a file says by the name of its category, else by its surest classification (MegaDetector), else
by the picture's folder, as people sort pictures: `tiger/0001.jpg`. A picture whose animal nobody names teaches nothing
and is left out; how many were is said. Pictures of one `seq_id` or `location` (COCO Camera Traps), else of one folder,
are kept together by the split.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from .data import CLASSES, SPECIES_LABELS, Box, DataError, Picture

PEOPLE = {"person": "person", "human": "person", "people": "person", "homo sapiens": "person"}
VEHICLES = ("vehicle", "car", "truck", "bus", "motorcycle", "motorbike", "bicycle")
CATS = {*SPECIES_LABELS, "feline", "felid", "wild_cat", "domestic_cat", "lynx", "cougar", "felis", "panthera"}
LATIN = {
    "panthera_tigris": "tiger", "panthera_pardus": "leopard", "panthera_uncia": "snow_leopard", "lynx": "lynx",
    "uncia_uncia": "snow_leopard", "puma_concolor": "puma", "cougar": "puma", "felis_catus": "cat",
    "panthera_leo": "lion", "panthera_onca": "jaguar", "acinonyx_jubatus": "cheetah",
}  # fmt: skip
"""The labels of `data.SPECIES_LABELS` by the beginnings of other names."""
EMPTY = ("empty", "blank", "nothing")
ANY_ANIMAL = "animal"  # MegaDetector's word: it does not say which
SURE = 0.5  # of a classification
BOX_SCORE = 0.2  # MegaDetector's boxes below this are noise
MAX_FILE_BYTES = 1 << 30


def label_of(name: str) -> str:
    """The manifest's label for a category's name, Latin or English."""
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    return next((label for start, label in LATIN.items() if plain == start or plain.startswith(f"{start}_")), plain)


def group_of(name: str) -> str | None:
    """The group of `data.GROUPS` that a category's name belongs to; None where it names no kind of animal."""
    plain = label_of(name)
    if plain in PEOPLE or plain.replace("_", " ") in PEOPLE:
        return "person"
    if plain in VEHICLES:
        return "vehicle"
    if plain in EMPTY:
        return "empty"
    if plain in ("cat", "domestic_cat", "house_cat"):
        return "domestic_cat"
    if plain in CATS or plain.split("_")[0] in ("felis", "panthera", "lynx"):
        return "felid"
    return None if plain in (ANY_ANIMAL, "") else "other_animal"


def load_json(path: Path) -> tuple[list[Picture], int]:
    """Pictures of a COCO or MegaDetector file, and how many were left out because nobody says what they show.

    Raises:
        DataError: no such file, no JSON, or an entry that is none; the message names file and entry.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DataError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise DataError(f"{path}: neither COCO nor MegaDetector: it has no list `images`")
    read = _coco if "annotations" in content else _megadetector
    found, unknown = [], 0
    for place, entry in enumerate(read(path, content)):
        try:
            picture = entry()
        except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
            raise DataError(f"{path}, picture {place}: {error!r}") from error
        if picture is None:
            unknown += 1
        else:
            found.append(picture)
    return found, unknown


def _megadetector(path: Path, content: Mapping[str, Any]) -> Iterable[Any]:
    names = _named(path, content, "detection_categories")
    classes = _named(path, content, "classification_categories")
    for image in content["images"]:
        yield lambda image=image: _of_megadetector(image, names, classes)


def _of_megadetector(image: Mapping[str, Any], names: Mapping[str, str], classes: Mapping[str, str]) -> Picture | None:
    found = []
    if image.get("failure") is not None:
        return None
    for one in image["detections"] or ():
        if not float(one["conf"]) >= BOX_SCORE:  # NaN, too, is no reason to believe in a box
            continue
        guesses = one.get("classifications") or ()
        sure = [classes[str(key)] for key, share in guesses if float(share) >= SURE]
        name = sure[0] if sure else names[str(one["category"])]
        if group_of(name) is None:
            name = PurePosixPath(image["file"]).parent.name
        found.append((name, tuple(float(v) for v in one["bbox"])))
    return _picture(image["file"], found, PurePosixPath(image["file"]).parent.as_posix(), camera_trap=True)


def _coco(path: Path, content: Mapping[str, Any]) -> Iterable[Any]:
    try:
        names = {row["id"]: str(row["name"]) for row in content["categories"]}
        of: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
        for row in content["annotations"]:
            of[row["image_id"]].append(row)
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: categories or annotations: {error!r}") from error
    for image in content["images"]:
        yield lambda image=image: _of_coco(image, of[image["id"]], names)


def _of_coco(image: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], names: Mapping[Any, str]) -> Picture | None:
    found: list[tuple[str, tuple[float, ...]]] = []
    for row in rows:
        box: tuple[float, ...] = ()
        if row.get("bbox"):
            x, y, w, h = (float(v) for v in row["bbox"])
            box = (x / image["width"], y / image["height"], w / image["width"], h / image["height"])
        found.append((names[row["category_id"]], box))
    together = image.get("seq_id") or image.get("location") or PurePosixPath(image["file_name"]).parent.as_posix()
    trap = "seq_id" in image or "location" in image
    return _picture(image["file_name"], found, str(together), camera_trap=trap)


def _picture(
    file: str, found: Sequence[tuple[str, tuple[float, ...]]], together: str, *, camera_trap: bool
) -> Picture | None:
    """A picture by its boxes' names; of several kinds the rarer one gives the group: cat, person, vehicle, animal."""
    if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
        raise ValueError(f"{file!r} does not lie in the folder")
    kinds = [(group_of(name), name, box) for name, box in found]
    if any(group is None for group, _, _ in kinds):
        return None
    order = ("felid", "domestic_cat", "person", "vehicle", "other_animal", "empty")
    group, label = min(((g, n) for g, n, _ in kinds if g), key=lambda k: order.index(k[0]), default=("empty", "empty"))
    boxes = tuple(_box(g, box) for g, _, box in kinds if g and g != "empty" and box)
    whole = all(box for g, _, box in kinds if g != "empty")
    return Picture(
        file=file, source=together, licence="own", tier="own", group=group, label=label_of(label),
        sequence=together, camera_trap=camera_trap, night=False, boxes=boxes, boxed=whole,
    )  # fmt: skip


def _box(group: str, box: tuple[float, ...]) -> Box:
    index = CLASSES.index(group) if group in CLASSES else CLASSES.index("feline")
    x, y, w, h = box
    if not (0 <= x <= 1.001 and 0 <= y <= 1.001 and 0 < w <= 1.001 and 0 < h <= 1.001):
        raise ValueError(f"box {box} does not lie in the picture")
    return index, x, y, min(w, 1 - x) or 1e-4, min(h, 1 - y) or 1e-4


def _named(path: Path, content: Mapping[str, Any], key: str) -> dict[str, str]:
    names = content.get(key, {})
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise DataError(f"{path}: {key} = {names!r} is no table of names")
    return names
