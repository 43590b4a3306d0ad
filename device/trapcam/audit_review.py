"""Labels of reviewed audit samples, put together with the counts of bursts that they stand for.

Only the column `label` of a `review.csv` is read; everything else comes from the tables beside the samples, and where a
trap stands from a table of the office: no card says it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from trapcam import audit_tables
from trapcam.audit_tables import POPULATION, Key, key, manifest, population, read_table
from trapcam.recall import Group
from trapkit.errors import SetupError

FELINE, NONE, UNCLEAR = "feline", "none", "unclear"  # feline: whatever the keep-list of the trap wants
LABELS = (FELINE, NONE, UNCLEAR)
PLACE = ("station", "region", "season")
PLACES_COLUMNS = ("trap", "station", "region")
MAX_TRAP = 65_535
Places = Mapping[int, tuple[str, str]]  # by trap: station, region


@dataclass(frozen=True, kw_only=True)
class ReviewedCell:
    """A cell of one outbox: where and when, how many bursts, how many samples there are, and their labels."""

    place: tuple[str, str, str]  # station, region, season
    stratum: str
    probability: float
    bursts: int
    samples: int
    labels: dict[str, str] = field(default_factory=dict)  # by sample; of those below the probability


def read_places(path: Path) -> Places:
    """The office's table of which trap stands where.  Raises: SetupError naming file and line."""
    places: dict[int, tuple[str, str]] = {}
    for line, row in enumerate(read_table(path, PLACES_COLUMNS), start=2):
        text = row["trap"].strip()
        if not (text.isdecimal() and 1 <= int(text) <= MAX_TRAP):
            raise SetupError(f"{path}: line {line}: trap = {row['trap']!r}; allowed are 1–{MAX_TRAP}")
        place = (row["station"].strip(), row["region"].strip())
        if places.setdefault(int(text), place) != place:
            raise SetupError(f"{path}: line {line}: trap {text} stands at {place} here and {places[int(text)]} above")
    return places


def read_reviews(paths: Iterable[Path], places: Places | None = None) -> list[ReviewedCell]:
    """All cells that the reviewed folders speak of, each once however often it was exported.

    places: where each trap stands; one that is not among them is a station of its own, by its number.
    Raises: SetupError naming file and line: an unknown label, one sample with two labels, tables that contradict.
    """
    cells: dict[Key, ReviewedCell] = {}
    labels: dict[str, str] = {}
    draws: dict[str, tuple[Key, float]] = {}
    for path in paths:
        for line, row in enumerate(read_table(path, ("sample", "label")), start=2):
            label = row["label"].strip().lower()
            if label and label not in LABELS:
                raise SetupError(f"{path}: line {line}: label = {label!r}; allowed are: {', '.join(LABELS)}, or none")
            before = labels.get(row["sample"], "")
            if before and label and label != before:
                raise SetupError(f"{path}: line {line}: {row['sample']} is {label!r} here and {before!r} elsewhere")
            labels[row["sample"]] = label or before
        for row in population(path.parent):
            cell = _cell(path, row, places or {})
            before_cell = cells.get(key(row))
            # The later of two exports; of one moment, that with the fewer samples.
            if before_cell is None or (cell.bursts, -cell.probability) > (before_cell.bursts, -before_cell.probability):
                cells[key(row)] = cell
        for _, row in manifest(path.parent):
            draws[row["sample"]] = (key(row), _number(path, row, "draw"))
    for sample, (drawn, draw) in draws.items():
        where = _merged(drawn, cells)
        if where not in cells:
            raise SetupError(f"{sample}: {POPULATION} has no row for where it was drawn")
        if draw < cells[where].probability:
            cells[where].labels[sample] = labels.get(sample, "")
    return [cell for where, cell in cells.items() if _merged(where, cells) == where]


def _merged(where: Key, cells: Mapping[Key, ReviewedCell]) -> Key:
    """Where a cell is counted: a later export of the same outbox, without places, holds its bursts too."""
    without = where[: -len(audit_tables.PLACE)] + ("",) * len(audit_tables.PLACE)
    return without if without in cells else where


def _cell(path: Path, row: dict[str, str], places: Places) -> ReviewedCell:
    bursts, samples = _number(path, row, "bursts"), _number(path, row, "samples")
    if not 0 <= samples <= bursts:
        raise SetupError(f"{path.parent}: {POPULATION}: {row['samples']} samples of {row['bursts']} bursts")
    return ReviewedCell(
        place=(*_place(row, places), row["season"]),
        stratum=row["stratum"],
        probability=_number(path, row, "probability"),
        bursts=int(bursts),
        samples=int(samples),
    )


def _place(row: dict[str, str], places: Places) -> tuple[str, str]:
    """The office's word, then what an earlier export said, then the trap's number."""
    trap = row["trap"].strip()
    if trap.isdecimal() and int(trap) in places:
        return places[int(trap)]
    return row.get("station") or f"trap {trap}", row.get("region", "")


def _number(path: Path, row: dict[str, str], name: str) -> float:
    try:
        return float(row[name])
    except ValueError as error:
        raise SetupError(f"{path.parent}: {name} = {row[name]!r} is no number") from error


def pooled(cells: Iterable[ReviewedCell]) -> list[Group]:
    """The cells as groups of one stratum and probability: what was drawn alike is counted together.

    A sample without a label, or that is not among the reviewed ones, is doubtful.
    """
    groups: dict[tuple[str, float], Group] = {}
    for cell in cells:
        of = (cell.stratum, cell.probability)
        group = groups.get(of) or Group(stratum=cell.stratum, probability=cell.probability, bursts=0)
        found = list(cell.labels.values())
        felines, none = found.count(FELINE), found.count(NONE)
        groups[of] = replace(
            group,
            bursts=group.bursts + cell.bursts,
            felines=group.felines + felines,
            none=group.none + none,
            doubtful=group.doubtful + max(cell.samples, len(found)) - felines - none,
        )
    return [groups[of] for of in sorted(groups, key=lambda k: (-k[1], k[0]))]
