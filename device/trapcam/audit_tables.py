"""The tables beside exported audit samples: `manifest.csv`, a row a sample, and `population.csv`, a row a cell.

They lie in a folder for each outbox (`trapcam.audit_export`), and those in one folder for all of them.
"""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trapcam.examine.atomic import writing
from trapkit.errors import SetupError

MANIFEST, POPULATION = "manifest.csv", "population.csv"
CELL = ("season", "stratum", "share")
PLACE = ("station", "region")  # in tables of earlier exports only: a trap does not know its place any more
MANIFEST_COLUMNS = ("sample", "trap", "epoch", "burst", *CELL, "draw", "bytes", "sha256", "file")
POPULATION_COLUMNS = ("trap", "epoch", *CELL, "probability", "bursts", "samples", "dropped")
MAX_CSV_BYTES = 256 * 1024 * 1024  # two seasons of a fleet have some thousand rows
Key = tuple[str, ...]  # trap, epoch, the cell's columns and, in tables of before, its place


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV as spreadsheets take it, the old one or the whole new one.  Raises: OSError."""
    with writing(path, encoding="utf-8-sig") as file:
        table = csv.DictWriter(file, list(columns), extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)


def read_table(path: Path, columns: Iterable[str], *, missing_is_empty: bool = False) -> list[dict[str, str]]:
    """The rows of a CSV with at least `columns`; a spreadsheet may have put semicolons where commas were.

    Raises: SetupError naming the file, and the column or line that is wrong.
    """
    try:
        if path.stat().st_size > MAX_CSV_BYTES:
            raise SetupError(f"{path}: larger than {MAX_CSV_BYTES} bytes; this is no table of audit samples")
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        if missing_is_empty:
            return []
        raise SetupError(f"{path}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path}: cannot be read: {error}") from error
    lines = text.splitlines()
    head = lines[0] if lines else ""
    table = csv.DictReader(lines, delimiter=";" if head.count(";") > head.count(",") else ",")
    lacking = [name for name in columns if name not in (table.fieldnames or ())]
    if lacking:
        raise SetupError(f"{path}: has no column {lacking[0]!r}; needed are: {', '.join(columns)}")
    found = []
    try:
        for row in table:
            if None in row or None in row.values():
                raise SetupError(f"{path}: line {table.line_num} does not have as many cells as the first")
            found.append(dict(row))
    except csv.Error as error:
        raise SetupError(f"{path}: line {table.line_num} cannot be read: {error}") from error
    return found


def manifest(folder: Path) -> Iterable[tuple[Path, dict[str, str]]]:
    """Every exported sample in `folder` or one level below, with the folder that it lies in.  Raises: SetupError."""
    for where in _folders(folder):
        for row in read_table(where / MANIFEST, MANIFEST_COLUMNS):
            if any(Path(row[name]).name != row[name] for name in ("sample", "file")):
                raise SetupError(f"{where / MANIFEST}: {row['file']!r} is no name of a sample")
            yield where, row


def population(folder: Path) -> Iterable[dict[str, str]]:
    """Every cell in `folder` or one level below.  Raises: SetupError."""
    for where in _folders(folder):
        yield from read_table(where / POPULATION, POPULATION_COLUMNS)


def _folders(folder: Path) -> list[Path]:
    found = [path for path in (folder, *sorted(folder.iterdir())) if (path / MANIFEST).is_file()]
    if not found:
        raise SetupError(f"{folder}: no {MANIFEST} here or one level below: is it what `trapcam audit export` wrote?")
    return found


def key(row: Mapping[str, str]) -> Key:
    """Which cell of which outbox a row of either table is of."""
    return tuple(row[name] for name in ("trap", "epoch", *CELL)) + tuple(row.get(name, "") for name in PLACE)
