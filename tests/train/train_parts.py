"""Small folders of pictures with their manifest."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COLUMNS = ("file", "label", "group", "camera_trap", "night", "sequence_id", "boxes", "licence", "tier", "source_repo")


def row(file: str, **changed: str) -> dict[str, str]:
    usual = {
        "file": file, "label": "tiger", "group": "felid", "camera_trap": "no", "night": "no", "sequence_id": "",
        "boxes": '[["tiger", 0.25, 0.25, 0.5, 0.5]]', "licence": "MIT", "tier": "open", "source_repo": "a/zoo",
    }  # fmt: skip
    return {**usual, **changed}


def write_folder(folder: Path, rows: Sequence[Mapping[str, str]], seed: int = 1) -> Path:
    """A picture of noise for each row, and the manifest."""
    rng = np.random.default_rng(seed)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    for one in rows:
        path = folder / one["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        small = rng.integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(small).resize((96, 72)).save(path)
    return folder
