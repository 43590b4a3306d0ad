"""Whether the parts of a unit fit each other: those that a release brings with those that stay (pure).

A part declares what it gives and what it needs, name -> allowed values. A need is met when some *other* part of the
unit gives one of its values. So a release that brings half of what belongs together (Uptane's partial bundle) is known
for what it is before a byte of it is fetched.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

Values = tuple[int | str, ...]
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")
MAX_NAMES = 16  # needs, or gives, of one part
MAX_VALUES = 32
MAX_VALUE_CHARACTERS = 32
DECLARED = "declared.toml"
OWN_PARTS = ("application", "supervisor")  # what `DECLARED` speaks for


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A part's version, what it gives and what it needs."""

    version: str
    gives: Mapping[str, Values] = field(default_factory=dict)
    needs: Mapping[str, Values] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For a release's list; `read_declared` takes it back."""
        told = {"gives": self.gives, "needs": self.needs}
        return {"version": self.version} | {k: {n: list(v) for n, v in table.items()} for k, table in told.items()}


def read_declared(told: Any) -> Declared:
    """A part's declaration.  Raises: ValueError in words."""
    if not isinstance(told, dict):
        raise ValueError("a part is no table")
    version = told.get("version")
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise ValueError(f"version {version!r:.80}; allowed are 64 characters of a–z, 0–9, '.', '+', '_', '-'")
    return Declared(version=version, gives=_table("gives", told), needs=_table("needs", told))


def _table(kind: str, told: Mapping[str, Any]) -> dict[str, Values]:
    table = told.get(kind, {})
    if not isinstance(table, dict) or len(table) > MAX_NAMES:
        raise ValueError(f"{kind} is no table of at most {MAX_NAMES} names")
    for name, values in table.items():
        good = isinstance(values, list) and 0 < len(values) <= MAX_VALUES and all(map(_is_value, values))
        if not NAME.fullmatch(name) or not good:
            raise ValueError(f"{kind}.{name:.40}: allowed is a list of 1–{MAX_VALUES} short texts or whole numbers")
    return {name: tuple(values) for name, values in table.items()}


def _is_value(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= MAX_VALUE_CHARACTERS
    return type(value) is int and 0 <= value < 1 << 31


def misfit(parts: Mapping[str, Declared]) -> str:
    """In words, the first need that no other part meets; "" where all fit."""
    for name, part in sorted(parts.items()):
        for need, wanted in sorted(part.needs.items()):
            given = [v for other, held in parts.items() if other != name for v in held.gives.get(need, ())]
            if not set(wanted) & set(given):
                offered = f"the others give {_list(given)}" if given else "no other part gives it"
                return f"{name} {part.version} needs {need} {_list(wanted)}; {offered}"
    return ""


def _list(values: Any) -> str:
    return " or ".join(str(value) for value in dict.fromkeys(values))


def own_declarations(text: str | None = None) -> dict[str, Declared]:
    """What this version's own parts declare, or those of another's `declared.toml`.  Raises: ValueError."""
    if text is None:
        text = files("trapkit.update").joinpath(DECLARED).read_text("utf-8")
    told = tomllib.loads(text)
    return {part: read_declared({"version": "own", **told[part]}) for part in OWN_PARTS if part in told}
