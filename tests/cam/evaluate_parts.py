"""A small labelled set of real photographs, and `trapcam evaluate` on it."""

import csv
import json
from pathlib import Path

import skimage
from PIL import Image as Pictures

from trapcam.cli import main
from trapcam.evaluate.manifest import COLUMNS

PHOTOGRAPHS = Path(skimage.__file__).parent / "data"
BOX = '[["cat", 0.1, 0.1, 0.9, 0.9]]'
ROWS = [  # file, label, group, camera_trap, night, sequence_id, boxes, source_repo
    ("chelsea.png", "cat", "domestic_cat", "no", "no", "", BOX, "skimage"),
    ("grey.png", "cat", "domestic_cat", "yes", "yes", "night 1", "", "made"),
    ("small.png", "tiger", "felid", "yes", "yes", "night 1", '[["cat", 0.4, 0.4, 0.2, 0.2]]', "made"),
    ("astronaut.png", "person", "person", "no", "no", "", "", "skimage"),
    ("coffee.png", "cup", "empty", "no", "no", "", "", "skimage"),
    ("horse.png", "horse", "other_animal", "no", "no", "", "", "skimage"),
    *(
        (name, "thing", "empty", "yes", "no", "day 1", "", "skimage")
        for name in ("brick.png", "grass.png", "coins.png")
    ),
]


def write_images(folder: Path) -> Path:
    """Photographs of scikit-image's package data, the cat also in grey, and small in a grey frame."""
    folder.mkdir()
    for name, *_ in ROWS:
        if (PHOTOGRAPHS / name).is_file():
            (folder / name).write_bytes((PHOTOGRAPHS / name).read_bytes())
    with Pictures.open(PHOTOGRAPHS / "chelsea.png") as cat:
        cat.convert("L").save(folder / "grey.png")
        wide = Pictures.new("RGB", (1500, 1000), (110, 110, 110))
        wide.paste(cat.resize((300, 200)), (600, 400))
        wide.save(folder / "small.png")
    return folder


def manifest(path: Path, rows: list[tuple[str, ...]] = ROWS, columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def evaluate(tmp_path: Path, *arguments: object) -> int:
    common = ["--images", tmp_path / "images", "--manifest", tmp_path / "manifest.csv", "--out", tmp_path / "out"]
    return main(["evaluate", *map(str, [*common, "--draws", 200, *arguments])])


def figures(tmp_path: Path) -> dict[tuple[str, str], dict[str, object]]:
    content = json.loads((tmp_path / "out" / "figures.json").read_text("utf-8"))
    return {(row["kind"], row["name"]): row for row in [*content["groups"], *content["people"]]}


def value(row: dict[str, object], name: str) -> object:
    figure = row[name]
    return figure["value"] if isinstance(figure, dict) else None
