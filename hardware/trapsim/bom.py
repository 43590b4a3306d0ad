"""The bill of materials: bom.csv read and held to its promises, and what a unit costs.

Promises: every part says for which temperatures it is made, what follows for a night at −30 °C, and who says so; every
box of a wiring drawing has its row for that unit, in the number that is drawn.
"""

import csv
import re
from pathlib import Path

import msgspec

from trapkit.errors import SetupError
from trapsim.pinmap import HARDWARE, Wiring

UNITS = ("trap", "base", "repeater", "cn470")  # cn470: a trap's and a modem's radio in China, not tried; no unit
COLD_C = -30  # the winters that units are made for: Field facts, "−30 °C and below"
YES = "yes"
NO = ("outside rating", "at its limit", "not stated")  # how any other answer begins
RATED = re.compile(r"(-?\d+)…\+\d+ °C")
PRICE_MAX_EUR = 10000
QUANTITY_MAX = 1000


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of bom.csv."""

    key: str
    part: str
    maker: str
    number: str
    unit: str
    quantity: int
    purpose: str
    price_eur: float  # of one, without tax: an estimate
    temperature: str
    at_minus_30: str
    source: str


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit is made of: kinds of parts, pieces, and the parts whose rating leaves the cold open."""

    unit: str
    parts: int
    pieces: int
    price_eur: float
    not_rated_for_minus_30: list[str]


def read_bom(path: Path = HARDWARE / "bom.csv") -> list[Row]:
    """The rows.  Raises: SetupError naming the line and what is wrong with it."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file, restkey="too much"))
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path}: cannot be read: {error}") from error
    rows: list[Row] = []
    for number, line in enumerate(lines, 2):
        try:
            row = msgspec.convert(line, Row, strict=False)
        except msgspec.ValidationError as error:
            raise SetupError(f"{path}, line {number}: {error}") from error
        wrong = _wrong(row)
        if any((row.key, row.unit) == (other.key, other.unit) for other in rows):
            wrong = f"{row.key!r} is there twice for a {row.unit}"
        if wrong:
            raise SetupError(f"{path}, line {number}: {wrong}")
        rows.append(row)
    return rows


def _wrong(row: Row) -> str:
    """What is wrong with a row, in words; nothing when it is right."""
    if empty := [name for name in row.__struct_fields__ if getattr(row, name) == ""]:
        return f"{row.key or 'a row'} says nothing under {', '.join(empty)}"
    if row.unit not in UNITS:
        return f"unit {row.unit!r} is unknown; allowed are: {', '.join(UNITS)}"
    if not 1 <= row.quantity <= QUANTITY_MAX or not 0 < row.price_eur <= PRICE_MAX_EUR:
        return f"{row.key}: allowed is a quantity of 1–{QUANTITY_MAX} and a price above 0, up to {PRICE_MAX_EUR}"
    if row.at_minus_30 != YES and not row.at_minus_30.startswith(NO):
        allowed = f"{YES!r}, or what begins with: {', '.join(NO)}"
        return f"{row.key} answers {row.at_minus_30!r} for {COLD_C} °C; allowed is {allowed}"
    rated = RATED.match(row.temperature)
    if rated and (int(rated[1]) <= COLD_C) != (row.at_minus_30 == YES) and int(rated[1]) != COLD_C:
        return f"{row.key} is made for {row.temperature}, and answers {row.at_minus_30!r} for {COLD_C} °C"
    return ""


def missing(rows: list[Row], wiring: Wiring) -> list[str]:
    """Boxes of the drawings that the bill lacks, or has too few of."""
    drawn: dict[tuple[str, str], set[str]] = {}
    for name, drawing in wiring.drawings.items():
        unit = name.partition("-")[0]
        for box, part in drawing.parts.items():
            drawn.setdefault((unit, part.bom), set()).add(box)
    counts = {(row.unit, row.key): row.quantity for row in rows}
    return [
        f"{unit}: {', '.join(sorted(boxes))} drawn, {counts.get((unit, key), 0)} of {key!r} in the bill"
        for (unit, key), boxes in drawn.items()
        if counts.get((unit, key), 0) < len(boxes)
    ]


def totals(rows: list[Row]) -> list[Total]:
    """A total for each unit, in the order of UNITS."""
    found: list[Total] = []
    for unit in UNITS:
        own = [row for row in rows if row.unit == unit]
        price_eur = round(sum(row.quantity * row.price_eur for row in own), 2)
        unrated = [row.key for row in own if row.at_minus_30 != YES]
        pieces = sum(row.quantity for row in own)
        found.append(
            Total(unit=unit, parts=len(own), pieces=pieces, price_eur=price_eur, not_rated_for_minus_30=unrated)
        )
    return found
