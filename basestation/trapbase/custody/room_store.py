"""How much media lie here and which may go, in the base's database; each method is a transaction."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from trapbase.store import DATABASE
from trapkit.database import load_queries, open_database, storage_error, transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Spare:
    """An object whose bytes may go, from its row or its file: the back end has signed for it."""

    id: int
    sha256: bytes
    size: int
    stored_ms: int


class RoomStore:
    """The base's database in `folder`, opened once more.  Raises: StorageError from every method."""

    def __init__(self, folder: Path) -> None:
        self._db = open_database(folder / DATABASE, "trapbase")
        self._sql = load_queries("trapbase", "custody.sql")

    def close(self) -> None:
        self._db.close()

    def media_bytes(self) -> int:
        """Bytes of all pictures here, in rows and in files: of everything but alerts and notes."""
        return int(self._rows("media_bytes")[0][0])

    def spare_bytes(self) -> int:
        """How much of it the back end has signed for."""
        return int(self._rows("spare_bytes")[0][0])

    def spare(self, rung: int, limit: int) -> list[Spare]:
        """Objects of one kind that may go, the oldest first."""
        rows = self._rows("spare", rung, limit)
        return [Spare(id=r["id"], sha256=r["sha256"], size=r["size"], stored_ms=r["stored_ms"]) for r in rows]

    def give_up(self, spare: list[Spare], utc_ms: int) -> list[bytes]:
        """Note that their bytes are gone, those in rows at once; the digests whose files nobody needs any more."""
        with transaction(self._db) as db:
            given = [each for each in spare if db.execute(self._sql["set_gone"], (utc_ms, each.id)).rowcount]
            db.execute(self._sql["empty"], (sum(each.size for each in given),))
        return self._needless(each.sha256 for each in given)

    def free_bytes(self) -> int:
        """What lies empty in the database's file: it is written to before the file grows."""
        row = self._rows("pages")[0]
        return int(row["free"] * row["size"])

    def last_given_up(self) -> list[bytes]:
        """Digests of the last group: a crash may have come before its files went."""
        return self._needless(r["sha256"] for r in self._rows("last_gone"))

    def _needless(self, digests: Iterable[bytes]) -> list[bytes]:
        return [sha256 for sha256 in dict.fromkeys(digests) if not self._rows("is_needed", sha256)]

    def _rows(self, name: str, *values: object) -> list[sqlite3.Row]:
        try:
            return self._db.execute(self._sql[name], values).fetchall()
        except sqlite3.DatabaseError as error:
            raise storage_error(self._db, error) from error
