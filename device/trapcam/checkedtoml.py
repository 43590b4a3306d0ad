"""A TOML table whose keys are taken out one by one, each checked, each fault named."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError


class ModelError(SetupError):
    """The model or its description cannot be used; the message names file, key, value and what is allowed."""


class CheckedTable:
    """`path`: of the file, for messages; `prefix`: where in it this table is."""

    def __init__(self, path: Path, table: Mapping[str, Any], prefix: str = "") -> None:
        self._path, self._table, self._prefix = path, table, prefix

    def fail(self, key: str, value: object, allowed: str) -> ModelError:
        return ModelError(f"{self._path}: {self._prefix}{key} = {value!r} is not allowed: {allowed}")

    def text(self, key: str, allowed: tuple[str, ...] = ()) -> str:
        value = self._table.get(key)
        if not isinstance(value, str) or not value or (allowed and value not in allowed):
            raise self.fail(key, value, " or ".join(allowed) if allowed else "a text that is not empty")
        return value

    def whole(self, key: str, low: int, high: int) -> int:
        value = self._table.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, value, f"a whole number from {low} to {high}")
        return value

    def number(self, key: str, low: float, high: float) -> float:
        value = self._table.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, value, f"a number from {low:g} to {high:g}")
        return float(value)

    def table(self, key: str) -> "CheckedTable":
        value = self._table.get(key)
        if not isinstance(value, dict):
            raise self.fail(key, value, "a table")
        return CheckedTable(self._path, value, f"{self._prefix}{key}.")

    def sequence(self, key: str) -> list[Any]:
        value = self._table.get(key)
        if not isinstance(value, list) or not value:
            raise self.fail(key, value, "a list that is not empty")
        return value
