"""What a base that came back from a backup has to find out, in its database; each method is a transaction."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from trapbase.receipts import Signed
from trapbase.store import DATABASE
from trapkit.database import load_queries, open_database, storage_error, transaction
from trapwire.objects import ALERT, CROP, NOTE, SCENE, ObjectKey

MAX_OUTBOXES = 10_000
MAX_RECALLS = 4096  # waiting at once; the rest is found when these are settled
SCAN = 2000  # numbers of one outbox looked at in one go
IN_ONE_TURN = 6  # of one trap: a base's words have room for eight, and people may ask too


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """What a batch at the back end is to this base: objects that it signed for and are here, and that are not."""

    here: int
    elsewhere: int


class RestoreStore:
    """The base's database in `folder`, opened once more.  Raises: StorageError from every method."""

    def __init__(self, folder: Path) -> None:
        self._db = open_database(folder / DATABASE, "trapbase")
        self._sql = load_queries("trapbase", "restore.sql")
        self._seen_id = 0

    def close(self) -> None:
        self._db.close()

    # What the back end has

    def is_unchecked(self) -> bool:
        """Whether this base came back from a backup and has not asked the back end yet."""
        return bool(self._rows("unchecked"))

    def set_checked(self, utc_ms: int) -> None:
        """The back end has said what it has, or cannot say it."""
        with transaction(self._db) as db:
            db.execute(self._sql["set_checked"], (utc_ms,))

    def open_batches(self) -> list[str]:
        """Ids of batches that are not signed for here."""
        return [r["batch_id"] for r in self._rows("open_batches")]

    def traps(self) -> set[int]:
        """Of which the backup has something."""
        return {r["trap"] for r in self._rows("marks", MAX_OUTBOXES)}

    def is_receipted(self, batch_id: str) -> bool:
        """Whether a batch is signed for here already."""
        rows = self._rows("batch_state", batch_id)
        return bool(rows) and rows[0]["state"] == "receipted"

    def adopt(self, batch_id: str, signed: list[Signed], utc_ms: int) -> Adopted:
        """Take over what the back end signed for in one batch: what is here is receipted, what is not is noted.

        A batch of ours that loses objects to it ends: the rest waits for another.
        """
        here = elsewhere = 0
        torn: set[str] = set()
        with transaction(self._db) as db:
            db.execute(self._sql["adopt_batch"], (batch_id, 0, utc_ms, utc_ms, utc_ms))
            for identities, (trap, epoch, body) in signed:
                for identity in identities:
                    row = db.execute(self._sql["object_here"], identity[:4]).fetchone()
                    if row is None:
                        elsewhere += db.execute(self._sql["add_elsewhere"], (*identity, batch_id)).rowcount
                    elif row["sha256"] == identity[4] and row["state"] != "receipted":
                        torn |= {row["batch_id"]} - {None, batch_id}
                        here += db.execute(self._sql["adopt_object"], (batch_id, row["id"])).rowcount
                db.execute(self._sql["add_receipt"], (batch_id, trap, epoch, body, utc_ms))
            for name in sorted({*torn, batch_id}):
                db.execute(self._sql["dissolve_objects"], (name,))
            for name in sorted(torn):
                db.execute(self._sql["dissolve_batch"], (name,))
            (held,) = db.execute(self._sql["held_in"], (batch_id,)).fetchone()
            db.execute(self._sql["adopt_batch"], (batch_id, held, utc_ms, utc_ms, utc_ms))
        return Adopted(here=here, elsewhere=elsewhere)

    # What traps still have

    def recalling_since(self) -> int | None:
        """When the restore was after which traps are asked now (Unix ms); None: they are not."""
        rows = self._rows("recalling")
        return rows[0]["restored_ms"] if rows else None

    def shift(self, leap_ms: int) -> None:
        """The clock has leapt by so much: the times of what is asked for leap with it."""
        with transaction(self._db) as db:
            db.execute(self._sql["shift_restores"], (leap_ms,))
            db.execute(self._sql["shift_recalls"], (leap_ms,))

    def end_recalls(self, utc_ms: int) -> None:
        """Ask for nothing any more."""
        with transaction(self._db) as db:
            db.execute(self._sql["end_recalls"], (utc_ms,))
            db.execute(self._sql["drop_marks"])
            db.execute(self._sql["drop_recalls"])

    def find_missing(self, utc_ms: int) -> None:
        """Numbers of an outbox that are neither here nor at the back end, though later ones are: to be asked for."""
        newest = int(self._rows("newest_object")[0][0])
        with transaction(self._db) as db:
            db.execute(self._sql["settled_recalls"])
            if newest > self._seen_id:
                db.execute(self._sql["new_outboxes"], (self._seen_id,))
            (waiting,) = db.execute(self._sql["count_recalls"]).fetchone()
            for mark in db.execute(self._sql["marks"], (MAX_OUTBOXES,)).fetchall():
                if waiting >= MAX_RECALLS:
                    break
                if mark["newest"] is not None and mark["newest"] > mark["number"]:
                    waiting += self._scan(db, mark, utc_ms)
        self._seen_id = newest

    def _scan(self, db: sqlite3.Connection, mark: sqlite3.Row, utc_ms: int) -> int:
        outbox = (mark["trap"], mark["epoch"])
        first, last = mark["number"] + 1, min(mark["newest"], mark["number"] + SCAN)
        here = {r["number"] for r in db.execute(self._sql["numbers_here"], (*outbox, first, last))}
        missing = [(n, rung) for n in range(first, last + 1) if n not in here for rung in (ALERT, CROP, NOTE, SCENE)]
        missing += [(r["number"], CROP) for r in db.execute(self._sql["cropless"], (*outbox, first, last))]
        for number, rung in missing:
            db.execute(self._sql["add_recall"], (*outbox, number, rung, utc_ms))
        db.execute(self._sql["raise_mark"], (last, *outbox))
        return len(missing)

    def take_turns(self, utc_ms: int, *, wait_ms: int, turn_ms: int, turns: int, limit: int) -> list[ObjectKey]:
        """What is asked for now: of each trap a few, each for `turn_ms` at a time and `turns` times in all, and nothing
        before it has been missing for `wait_ms`."""
        with transaction(self._db) as db:
            db.execute(self._sql["end_turns"], (utc_ms - turn_ms,))
            rows = db.execute(self._sql["in_turn"], (utc_ms - wait_ms, turns, IN_ONE_TURN, limit)).fetchall()
            keys = [ObjectKey(r["trap"], r["epoch"], r["number"], r["rung"]) for r in rows]
            for key, row in zip(keys, rows, strict=True):
                if row["turn_ms"] is None:
                    db.execute(self._sql["begin_turn"], (utc_ms, *key.as_tuple()))
        return keys

    def _rows(self, name: str, *values: object) -> list[sqlite3.Row]:
        try:
            return self._db.execute(self._sql[name], values).fetchall()
        except sqlite3.DatabaseError as error:
            raise storage_error(self._db, error) from error
