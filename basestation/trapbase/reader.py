"""Reads the base's database beside whoever writes it: for the page, `status` and `verify`. Every answer is bounded."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from trapbase.media import body_of
from trapbase.store import DATABASE
from trapkit.database import load_queries
from trapkit.errors import SetupError, StorageError

FILES = ("reader.sql", "cards.sql", "results.sql", "updates.sql")
PAGE_ROWS = 1000  # rows read at a time where all are wanted
Row = dict[str, Any]


class Reader:
    """A read-only connection.  Raises: SetupError when there is no base in `folder` yet; StorageError from methods."""

    def __init__(self, folder: Path) -> None:
        self._media = folder / "media"
        path = folder / DATABASE
        if not path.is_file():
            raise SetupError(f"{path}: is not there; has `trapbase run` been started on this folder?")
        try:
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)
        except sqlite3.Error as error:
            raise SetupError(f"{path}: cannot be read: {error}") from error
        self._db.row_factory = sqlite3.Row
        self._sql = {n: q for file in FILES for n, q in load_queries("trapbase", file).items()}

    def close(self) -> None:
        self._db.close()

    def version(self) -> int:
        """A number that changes whenever somebody else has committed."""
        try:
            (version,) = self._db.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error as error:
            raise StorageError(f"database: {error}") from error
        return int(version)

    def rows(self, query: str, *values: object) -> list[Row]:
        """The rows of a query in one of `FILES`."""
        try:
            return [dict(row) for row in self._db.execute(self._sql[query], values)]
        except sqlite3.Error as error:
            raise StorageError(f"database: {error}") from error

    def summary(self) -> Row:
        """Counts of everything, by state."""
        summary: Row = {"counters": {r["name"]: r["value"] for r in self.rows("counters")}}
        for name in ("objects", "batches", "receipts"):
            summary[name] = {r["state"]: r["count"] for r in self.rows(f"{name}_by_state")}
        return summary

    def traps(self, limit: int = 1000) -> list[Row]:
        """The last word of each trap, its health parsed; with its number of sightings."""
        rows = self.rows("traps", limit)
        counts = {r["trap"]: r["count"] for r in self.rows("sightings_by_trap")}
        for row in rows:
            row["health"] = json.loads(row["health"])
            row["sightings"] = counts.get(row["trap"], 0)
        return rows

    def cards_mark(self) -> tuple[int, ...]:
        """Changes whenever a card came or was proved."""
        return tuple(self.rows("cards_mark")[0].values())

    def cards(self, limit: int) -> list[Row]:
        """Every card and sample, sealed, at most `limit`."""
        return self.rows("cards", limit)

    def picture(self, number: int, sha256: bytes) -> bytes | None:
        """The sealed bytes of the crop, frame or scene in row `number` that has this digest; None when there is none,
        or they were given up for room, or are damaged."""
        rows = self.rows("picture", number, sha256)
        return body_of(self._media, sha256, rows[0]["body"]) if rows else None
