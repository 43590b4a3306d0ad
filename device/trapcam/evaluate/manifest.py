"""The manifest of labelled pictures that `trapcam evaluate` measures on, and which of them (files to values).

Columns as in models/train/README.md: file, label, group, camera_trap, night, sequence_id, boxes, source_repo; others
are passed over. A sequence is what its source calls one; a picture without is its own.
"""

import csv
import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from trapkit.errors import SetupError

FELINE = ("felid", "domestic_cat")
GROUPS = (*FELINE, "other_animal", "person", "vehicle", "empty")
COLUMNS = ("file", "label", "group", "camera_trap", "night", "sequence_id", "boxes", "source_repo")
ALONE = "picture: "  # begins the sequence of a picture that is its own
MAX_BYTES = 256 * 2**20  # a million rows
NO_RULE = "train"  # what no rule of a rules file names, as models/train/splits.toml says


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One picture and what is known of it; `box`: the largest box's share of the picture (0–1), None without one."""

    file: str
    label: str
    group: str
    camera_trap: bool
    night: bool
    sequence: str
    source: str
    box: float | None
    split: str = ""

    @property
    def feline(self) -> bool:
        return self.group in FELINE

    @property
    def in_sequence(self) -> bool:
        """Whether its source named a sequence."""
        return not self.sequence.startswith(ALONE)


def load_manifest(path: Path, rules: Path | None = None) -> list[Labelled]:
    """All rows, each with its split: of the column `split`, or of `rules` (models/train/splits.toml).

    Raises: SetupError that names the file, and the line where a row is damaged.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SetupError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _rows(path, csv.DictReader(file, strict=True), _load_rules(rules))
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SetupError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from error


def _rows(path: Path, table: "csv.DictReader[str]", rules: Sequence[Mapping[str, Any]] | None) -> list[Labelled]:
    pictures: dict[str, Labelled] = {}
    try:
        missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
        if missing:
            raise SetupError(f"{path}, line 1: column {', '.join(missing)} is missing; needed are {', '.join(COLUMNS)}")
        for row in table:
            picture = _picture(row, rules)
            if picture.file in pictures:
                raise ValueError(f"file {picture.file!r} is there twice")
            pictures[picture.file] = picture
    except UnicodeDecodeError:
        raise
    except (ValueError, csv.Error, RecursionError) as error:
        # The reader's own count: the table's stands still at a row that cannot be taken apart.
        raise SetupError(f"{path}, line {table.reader.line_num}: {error}") from error
    return list(pictures.values())


def _picture(row: Mapping[str, Any], rules: Sequence[Mapping[str, Any]] | None) -> Labelled:
    if None in row or None in row.values():
        raise ValueError("has not as many fields as there are columns")
    file, source = row["file"], row["source_repo"]
    if not file or PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts or "\0" in file:
        raise ValueError(f"file is {file!r}; allowed is a path within the folder of pictures")
    if row["group"] not in GROUPS:
        raise ValueError(f"group is {row['group']!r}; allowed are {', '.join(GROUPS)}")
    sequence = f"sequence: {source}, {row['sequence_id']}" if row["sequence_id"] else f"{ALONE}{file}"
    split = row.get("split", "") if rules is None else _split(rules, source, row["label"], row["sequence_id"])
    return Labelled(
        file=file, label=row["label"] or row["group"], group=row["group"], source=source or "unknown",
        camera_trap=_yes(row, "camera_trap"), night=_yes(row, "night"), sequence=sequence, box=_largest(row["boxes"]),
        split=split,
    )  # fmt: skip


def _yes(row: Mapping[str, str], column: str) -> bool:
    if row[column] not in ("yes", "no"):
        raise ValueError(f"{column} is {row[column]!r}; allowed are yes, no")
    return row[column] == "yes"


def _largest(text: str) -> float | None:
    """The largest of the boxes `[[label, x, y, w, h], …]`, as a share of the picture."""
    try:
        boxes = [(float(x), float(y), float(w), float(h)) for _, x, y, w, h in json.loads(text or "[]")]
    except (TypeError, ValueError) as error:
        raise ValueError(f"boxes is {text[:60]!r}; allowed is a JSON list of [label, x, y, width, height]") from error
    return max(map(area, boxes), default=None)


def area(box: tuple[float, ...]) -> float:
    """The share of the picture that a box x, y, w, h takes.  Raises: ValueError for what is no box."""
    # Sources round: a box may end a little outside.
    if not all(math.isfinite(value) and -0.05 <= value <= 1.05 for value in box):
        raise ValueError(f"box {box}: x, y, width and height are 0–1 of the picture")
    return box[2] * box[3]


def _load_rules(path: Path | None) -> list[dict[str, Any]] | None:
    if path is None:
        return None
    try:
        rules = tomllib.loads(path.read_text("utf-8"))["rule"]
        for rule in rules:
            if not isinstance(rule["split"] + rule["source"], str):
                raise TypeError("split and source are texts")
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SetupError(f"{path}: not a list of rules with split and source: {error}") from error
    return list(rules)


def _split(rules: Sequence[Mapping[str, Any]], source: str, label: str, sequence: str) -> str:
    for rule in rules:
        fits = rule["source"] == source and label in rule.get("labels", [label])
        if fits and sequence in rule.get("sequences", [sequence]):
            return str(rule["split"])
    return NO_RULE


def choose(pictures: Iterable[Labelled], only: Path | None, split: str | None) -> list[Labelled]:
    """Those that a list of files (one a line) and a split's name leave.

    Raises: SetupError for a list that cannot be read or names what the manifest lacks, and when nothing is left.
    """
    chosen = {picture.file: picture for picture in pictures}
    if only is not None:
        try:
            lines = [line.strip() for line in only.read_text("utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(f"--only {only}: cannot be read: {error}") from error
        named = {line: number for number, line in enumerate(lines, start=1) if line and not line.startswith("#")}
        for line, number in named.items():
            if line not in chosen:
                raise SetupError(f"--only {only}, line {number}: {line!r} is not in the manifest")
        chosen = {file: chosen[file] for file in chosen if file in named}
    if split is not None:
        splits = sorted({picture.split for picture in chosen.values()} - {""})
        chosen = {file: picture for file, picture in chosen.items() if picture.split == split}
        if not chosen:
            there = ", ".join(splits) or "none: give the manifest a column split, or name --rules"
            raise SetupError(f"--split {split}: no picture is of it; there are {there}")
    if not chosen:
        raise SetupError("no picture is left to look at")
    return list(chosen.values())
