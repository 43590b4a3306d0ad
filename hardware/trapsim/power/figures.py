"""The numbers of hardware/power.toml: each with a unit, a mark and a source; none without."""

import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError

TABLE = Path(__file__).resolve().parents[2] / "power.toml"
MARKS = ("measured", "datasheet", "estimate")
SCALES = {"uA": 1e-6, "mA": 1e-3, "A": 1.0, "mC": 1e-3, "C": 1.0, "kohm": 1e3, "ohm": 1.0}
PLAIN = (
    "V", "s", "m/s", "J", "Ah", "share", "factor", "log", "per day", "per year", "days", "bytes", "symbols",
    "kWh/m2/day", "Wh/day", "degC",
)  # fmt: skip
CURVES = {"share at mA", "V at C", "share at C", "A at C", "ohm at C"}
UNITS = {*SCALES, *PLAIN, *CURVES}
LAYOUT = {"text", "series", "parallel", "supply"}  # of a battery: how its cells stand, which is no figure
Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One entry as it stands in the table. `value`: a number, or a curve of rising x."""

    value: float | Curve
    unit: str
    mark: str
    source: str
    note: str = ""


class Figures:
    """All entries by their dotted names, and how the batteries' cells stand.

    `factors` multiplies entries by name, for the sensitivity; a curve is multiplied as a whole.
    """

    def __init__(self, entries: Mapping[str, Figure], layouts: Mapping[str, dict[str, Any]], sources: dict[str, str]):
        self.entries = dict(entries)
        self.layouts = dict(layouts)
        self.sources = sources

    def scaled(self, name: str, factor: float) -> "Figures":
        """The same table with one entry larger or smaller; a share stays at most 1."""
        old = self.entries[name]
        most = 1.0 if old.unit.startswith("share") else float("inf")
        value: float | Curve
        if isinstance(old.value, tuple):
            value = tuple((x, min(y * factor, most)) for x, y in old.value)
        else:
            value = min(old.value * factor, most)
        new = Figure(value=value, unit=old.unit, mark=old.mark, source=old.source, note=old.note)
        return Figures({**self.entries, name: new}, self.layouts, self.sources)

    def get(self, name: str) -> float:
        """A single number in A, V, s, C, ohm or the plain unit of the table."""
        figure = self.entries[name]
        if isinstance(figure.value, tuple):
            raise TypeError(f"{name} is a curve")
        return figure.value * SCALES.get(figure.unit, 1.0)

    def at(self, name: str, x: float) -> float:
        """A curve between its points, in a line; beyond its ends the end."""
        value = self.entries[name].value
        if not isinstance(value, tuple):
            raise TypeError(f"{name} is no curve")
        place = bisect_right([point[0] for point in value], x)
        if place in (0, len(value)):
            return value[max(place - 1, 0)][1]
        (x0, y0), (x1, y1) = value[place - 1], value[place]
        return y0 + (y1 - y0) * (x - x0) / (x1 - x0)

    def marks(self) -> dict[str, int]:
        """How many entries have which mark."""
        return {mark: sum(entry.mark == mark for entry in self.entries.values()) for mark in MARKS}


def load_figures(path: Path = TABLE) -> Figures:
    """The table.  Raises: SetupError naming the file, the entry and what is allowed."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{path}: is not TOML: {error}") from error
    sources = data.pop("sources", {})
    batteries = data.get("battery", {})
    layouts = {name: {key: table.get(key) for key in LAYOUT} for name, table in batteries.items()}
    entries = {}
    for name, entry in _walk(data, ""):
        try:
            entries[name] = _figure(entry, sources)
        except ValueError as error:
            raise SetupError(f"{path}: {name}: {error}") from error
    return Figures(entries, layouts, sources)


def _walk(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, entry in table.items():
        name = f"{prefix}{key}"
        if isinstance(entry, dict) and "value" not in entry:
            yield from _walk(entry, name + ".")
        elif not (name.startswith("battery.") and key in LAYOUT):
            yield name, entry


def _figure(entry: Any, sources: dict[str, str]) -> Figure:
    if not isinstance(entry, dict):
        raise ValueError(f"is {entry!r}; allowed is {{ value, unit, mark, source }}, and a note")
    unknown = set(entry) - {"value", "unit", "mark", "source", "note"}
    if unknown:
        raise ValueError(f"has {sorted(unknown)[0]!r}; allowed are value, unit, mark, source, note")
    unit, mark, source, value = (entry.get(key) for key in ("unit", "mark", "source", "value"))
    if unit not in UNITS:
        raise ValueError(f"unit {unit!r}; allowed are {', '.join(sorted(UNITS))}")
    if mark not in MARKS:
        raise ValueError(f"mark {mark!r}; allowed are {', '.join(MARKS)}")
    if source not in sources:
        raise ValueError(f"source {source!r} is not in [sources]")
    if isinstance(value, list):
        value = tuple((float(x), float(y)) for x, y in value)
        if unit not in CURVES or len(value) < 2 or list(value) != sorted(set(value)):
            raise ValueError(f"is a curve in {unit}; allowed are two or more points of rising x, in a unit of curves")
    elif isinstance(value, bool) or not isinstance(value, int | float) or unit in CURVES:
        raise ValueError(f"value {value!r} in {unit}; allowed is a number, or a curve in a unit of curves")
    return Figure(value=value, unit=unit, mark=mark, source=source, note=entry.get("note", ""))
