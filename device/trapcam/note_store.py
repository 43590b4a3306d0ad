"""What the outbox holds besides sightings: notes, scenes, the effort ledger's days, alarms (`sql/notes.sql`).

Every method that changes something is one transaction, or takes part in its caller's; what a note reports on is settled
in the transaction that makes the note, so a power cut leaves both or neither.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from trapcam.effort import DAY_MS, EPOCH_2020_MS, Moment, Share
from trapcam.seal import SealedObject
from trapcam.states import ALARM_PRIORITY, DAY_PRIORITY, FIRST_STATE, SCENE_PRIORITY
from trapkit.database import load_queries, storage_error, transaction
from trapwire.notes import KIND_NAMES
from trapwire.objects import NOTE, SCENE

SQL = load_queries("trapcam", "notes.sql")
OBJECTS = load_queries("trapcam")
SCENE_KIND = "scene"
REPEAT_MS = 3_600_000  # the same trigger told twice within it is one alarm
MAX_DAYS = 40  # lines said at once; the others with the next moment

Make = Callable[[int], bytes]  # from a note's number to its signed body


class NoteStore:
    """On the outbox's own `connection`.  Raises: StorageError when the disk refuses; nothing has changed then."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def _rows(self, query: str, *parameters: Any) -> list[sqlite3.Row]:
        try:
            return self._db.execute(SQL[query], parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise storage_error(self._db, error) from error

    # --- objects ------------------------------------------------------------------------------------------------

    def add_note(self, kind: int, at_ms: int, make: Make, priority: int = DAY_PRIORITY) -> int:
        """A note of `kind` (trapwire.notes) about `at_ms` (Unix ms), waiting for every carrier; its number."""
        with transaction(self._db) as db:
            return _add(db, KIND_NAMES[kind], NOTE, at_ms, make, priority)

    def add_scene(self, sealed: SealedObject, at_ms: int) -> int:
        """A scene, held until a network, a stick or a wish takes it; its number."""
        with transaction(self._db) as db:
            return self.record_scene(db, sealed, at_ms)

    def record_scene(self, db: sqlite3.Connection, sealed: SealedObject, at_ms: int) -> int:
        """The same within the caller's transaction."""
        return _add(db, SCENE_KIND, SCENE, at_ms, lambda number: sealed.body, SCENE_PRIORITY)

    def last_scene_ms(self) -> int | None:
        """When the newest scene was taken (Unix ms)."""
        rows = self._rows("last_of", SCENE_KIND)
        return rows[0]["at_ms"] if rows else None

    # --- alarms -------------------------------------------------------------------------------------------------

    def add_alarm(self, kind: int, at_ms: int, trigger_no: int | None, make: Make) -> int | None:
        """An alarm, before everything else on every carrier; the epoch is marked by it. None: it was said already."""
        name = KIND_NAMES[kind]
        with transaction(self._db) as db:
            same = {"kind": name, "trigger_no": trigger_no, "at_ms": at_ms, "within_ms": REPEAT_MS}
            if trigger_no is not None and db.execute(SQL["alarm_repeated"], same).fetchone():
                return None
            number = _add(db, name, NOTE, at_ms, make, ALARM_PRIORITY)
            db.execute(SQL["add_alarm"], (number, name, at_ms, trigger_no))
            return number

    def open_alarms(self) -> list[tuple[int, str, int]]:
        """(number, kind, Unix ms) of those that mark the epoch."""
        return [tuple(row) for row in self._rows("open_alarms")]

    def close_alarms(self) -> int:
        """Somebody who may has visited; how many alarms that settles."""
        with transaction(self._db) as db:
            return db.execute(SQL["close_alarms"]).rowcount

    # --- the ledger ---------------------------------------------------------------------------------------------

    def moment(self) -> Moment | None:
        """The moment that the ledger counts from."""
        rows = self._rows("moment")
        return Moment(**{**dict(rows[0]), "trusted": bool(rows[0]["trusted"])}) if rows else None

    def advance(self, moment: Moment, shares: Iterable[Share], make: Callable[[Share, int, int, int], bytes]) -> int:
        """Count up to `moment`, and say the line of each day that is over; how many.

        make(share, bursts, sightings, number): the signed body of a day's line.
        """
        today = (moment.at_ms - EPOCH_2020_MS) // DAY_MS
        with transaction(self._db) as db:
            for share in shares:
                db.execute(SQL["add_share"], share.as_row())
            values = (moment.at_ms, moment.trusted, moment.unit_state, moment.trigger_no, moment.reasons)
            db.execute(SQL["set_moment"], values)
            if moment.trusted:
                db.execute(SQL["forget_future"], (today,))
            over = db.execute(SQL["open_days"], (today, MAX_DAYS)).fetchall()
            for row in over:
                self._say(db, Share.of_row(row), moment.at_ms, make)
            return len(over)

    @staticmethod
    def _say(db: sqlite3.Connection, share: Share, at_ms: int, make: Callable[[Share, int, int, int], bytes]) -> None:
        begin = EPOCH_2020_MS + share.day * DAY_MS
        found = db.execute(SQL["bursts_between"], (begin, begin + DAY_MS)).fetchone()
        number = _add(
            db,
            "day",
            NOTE,
            at_ms,
            lambda number: make(share, found["bursts"], found["sightings"], number),
            DAY_PRIORITY,
        )
        db.execute(SQL["close_day"], (number, share.day))

    # --- health -------------------------------------------------------------------------------------------------

    def remember(self, name: str, value: bytes) -> None:
        """Keep what a health check needs next time."""
        with transaction(self._db) as db:
            db.execute(SQL["remember"], (name, value))

    def remembered(self, name: str) -> bytes | None:
        """What was kept under that name."""
        rows = self._rows("remembered", name)
        return rows[0]["value"] if rows else None


def _add(db: sqlite3.Connection, kind: str, rung: int, at_ms: int, make: Make, priority: int) -> int:
    number = int(db.execute(OBJECTS["next_number"]).fetchone()[0])
    body = make(number)
    db.execute(SQL["add_note"], (number, kind, at_ms))
    db.execute(
        OBJECTS["add_object"],
        {
            "number": number,
            "rung": rung,
            "priority": priority,
            "state": FIRST_STATE[rung],
            "bytes": len(body),
            "sha256": hashlib.sha256(body).digest(),
            "body": body,
            "file": None,
        },
    )
    return number
