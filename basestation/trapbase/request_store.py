"""The table of what people ask of traps, in the base's database; written beside `store`, each method a transaction."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from trapbase.store import DATABASE
from trapkit.database import load_queries, open_database, storage_error, transaction

DAY_MS = 86_400_000
LOG = "log"  # in place of a setting's name: an ask for a trap's log
MAX_ENTRIES = 10_000  # kept of one trap
Entry = tuple[int, bool, int, int]  # seconds, whether since 2020, code, value


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenRequest:
    """A wish (epoch, number, rung), a setting (setting, value) or an ask for a log (`LOG` as setting, first, value as
    count) of a trap; `command`: its number on the air, or of a log on the bus."""

    command: int
    trap: int
    epoch: int | None
    number: int | None
    rung: int | None
    setting: str | None
    value: int | None
    first: int | None


class RequestStore:
    """Raises: SetupError from the constructor; StorageError from every method when the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self._db = open_database(folder / DATABASE, "trapbase")
        self._sql = load_queries("trapbase", "requests.sql")

    def close(self) -> None:
        self._db.close()

    def want(self, trap: int, epoch: int, number: int, rung: int, now_ms: int) -> bool:
        """Ask for an object; False when it is in custody already. A wish that is open stays as it is."""
        with transaction(self._db) as db:
            if db.execute(self._sql["in_custody"], (trap, epoch, number, rung)).fetchone():
                return False
            if not db.execute(self._sql["wish"], (trap, epoch, number, rung)).fetchone():
                db.execute(self._sql["add_wish"], (trap, epoch, number, rung, now_ms))
        return True

    def set(self, trap: int, setting: str, value: int, now_ms: int) -> int:
        """Ask for a setting: its command's number. Open ones of the same name are overtaken."""
        with transaction(self._db) as db:
            db.execute(self._sql["overtake"], (now_ms, trap, setting))
            return int(db.execute(self._sql["add_setting"], (trap, setting, value, now_ms)).lastrowid or 0) & 0xFFFF

    def ask_log(self, trap: int, first: int, count: int, now_ms: int) -> None:
        """Ask for at most `count` entries of a log, from sequence `first` on; 0: the newest. Overtakes an open one."""
        with transaction(self._db) as db:
            db.execute(self._sql["overtake"], (now_ms, trap, LOG))
            db.execute(self._sql["add_log"], (trap, first, count, now_ms))

    def add_entries(
        self, trap: int, command: int | None, first: int, left: int, entries: list[Entry], now_ms: int
    ) -> None:
        """Entries of a trap's log, the first of them with sequence `first`; the ask is settled when none are left."""
        with transaction(self._db) as db:
            for i, entry in enumerate(entries):
                db.execute(self._sql["add_entry"], (trap, first + i, *entry, now_ms))
            db.execute(self._sql["trim_entries"], (trap, MAX_ENTRIES))
            if command is not None and not left:
                db.execute(self._sql["answered"], ("done", None, now_ms, trap, command))

    def open(self, limit: int) -> list[OpenRequest]:
        """What is not settled: of each trap the oldest first."""
        try:
            rows = self._db.execute(self._sql["open"], (limit,)).fetchall()
        except sqlite3.DatabaseError as error:
            raise storage_error(self._db, error) from error
        names = ("trap", "epoch", "number", "rung", "setting", "value", "first")
        return [OpenRequest(command=row["id"] & 0xFFFF, **{name: row[name] for name in names}) for row in rows]

    def answered(self, trap: int, command: int, outcome: str, value: int, now_ms: int) -> None:
        """A trap's reply; one to nothing that is open changes nothing."""
        with transaction(self._db) as db:
            db.execute(self._sql["answered"], (outcome, value, now_ms, trap, command))

    def settle(self, now_ms: int, before_ms: int) -> None:
        """Wishes whose object has come are done; what was asked before a time (Unix ms) is given up."""
        with transaction(self._db) as db:
            db.execute(self._sql["fulfil"], (now_ms,))
            db.execute(self._sql["give_up"], (now_ms, before_ms))
