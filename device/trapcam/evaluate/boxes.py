"""Boxes for pictures whose source has none, as another detector proposed them (models/train's `auto_boxes.csv`)."""

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from trapcam.evaluate.manifest import Labelled, area
from trapkit.errors import SetupError

COLUMNS = ("file", "score", "x", "y", "w", "h")


def with_proposals(pictures: Iterable[Labelled], path: Path) -> list[Labelled]:
    """The same pictures, those without a box with the surest one proposed.

    Raises: SetupError that names the file, and the line where a row is damaged.
    """
    best: dict[str, tuple[float, float]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, strict=True)
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise SetupError(f"{path}, line 1: column {', '.join(missing)} is missing")
            try:
                for row in table:
                    if any(row[name] is None for name in COLUMNS):
                        raise ValueError("has not as many fields as there are columns")
                    score = float(row["score"])
                    size = area(tuple(float(row[name]) for name in "xywh"))
                    best[row["file"]] = max(best.get(row["file"], (0.0, 0.0)), (score, size))
            except UnicodeDecodeError:
                raise
            except (ValueError, csv.Error) as error:
                raise SetupError(f"{path}, line {table.reader.line_num}: {error}") from error
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SetupError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from error
    return [
        replace(picture, box=best[picture.file][1]) if picture.box is None and picture.file in best else picture
        for picture in pictures
    ]
