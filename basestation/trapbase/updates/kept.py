"""The tables of updates in the base's database; written beside `store`, each method a transaction."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trapbase.store import DATABASE
from trapbase.updates.alone import KIND, Allowance
from trapbase.updates.waves import Decision
from trapkit.database import load_queries, open_database, storage_error, transaction
from trapkit.update.permits import Permit

GOING, STOPPED, DONE, OVER = "going", "stopped", "done", "over"
MIRROR = "updates"  # below the base's folder: what is served
TRAPS = 1000
WORDS = 32  # of a unit, the newest, that are looked at
RELEASES = 64
Row = dict[str, Any]


class UpdateStore:
    """Raises: SetupError from the constructor; StorageError from every method when the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self._db = open_database(folder / DATABASE, "trapbase")
        self._sql = load_queries("trapbase", "updates.sql")

    def close(self) -> None:
        self._db.close()

    def rows(self, name: str, *values: object) -> list[Row]:
        """The rows of a query in `updates.sql`."""
        try:
            return [dict(row) for row in self._db.execute(self._sql[name], values)]
        except sqlite3.DatabaseError as error:
            raise storage_error(self._db, error) from error

    def current(self) -> Row | None:
        """The newest rollout's row."""
        return next(iter(self.rows("rollout")), None)

    def begin(self, release: str, now_ms: int) -> None:
        """This release goes to the units from now on; whatever did is over."""
        with transaction(self._db) as db:
            db.execute(self._sql["end_rollouts"], (now_ms,))
            db.execute(self._sql["begin_rollout"], (release, now_ms, now_ms))

    def hold(self, release: str, serial: int, built_ms: int, parts: Mapping[str, str], size: int, now_ms: int) -> None:
        """This release is in the mirror. parts: versions by part; size: of all files, bytes."""
        with transaction(self._db) as db:
            said = json.dumps(dict(parts), sort_keys=True)
            db.execute(self._sql["add_release"], (release, serial, built_ms, said, size, now_ms))

    def moved(self, row: Row, decision: Decision, why: str, now_ms: int) -> None:
        """What was decided of a rollout."""
        state = STOPPED if row["state"] == STOPPED or decision.stops else DONE if decision.done else GOING
        said = (state, why or row["why"], decision.wave, decision.waves, int(decision.word))
        with transaction(self._db) as db:
            db.execute(
                self._sql["move_rollout"], (*said, now_ms, row["id"], row["state"], row["go_ms"], row["asked"], *said)
            )
            for t in decision.troubles:
                db.execute(self._sql["add_trouble"], (row["id"], t.trap, t.kind, t.words, t.since_ms))

    def permit(self, permits: Iterable[tuple[Permit, str]], rollout: int) -> None:
        """Permissions that were signed, each with its unit's fault then."""
        with transaction(self._db) as db:
            for p, fault in permits:
                said = (p.trap, p.number, p.release, rollout, p.issued_ms, p.until_ms, fault)
                db.execute(self._sql["add_permit"], said)
                db.execute(self._sql["trim_permits"], (p.trap, p.number, rollout))

    def go(self, row: Row, now_ms: int) -> None:
        """The operator's word: a stopped rollout goes on, another begins its next wave now."""
        asked = row["asked"] if row["state"] == STOPPED else row["wave"] + 1
        with transaction(self._db) as db:
            db.execute(self._sql["go_on"], (now_ms, asked, now_ms, row["id"]))

    def allow(self, row: Row, allowance: Allowance) -> None:
        """This unit may go alone while this release is on its way; what was allowed before is replaced."""
        said = (row["id"], allowance.trap, KIND, allowance.encode(), allowance.since_ms)
        with transaction(self._db) as db:
            db.execute(self._sql["allow_alone"], said)

    def stop(self, row: Row, why: str, now_ms: int) -> None:
        """It goes no further until the operator's word."""
        with transaction(self._db) as db:
            db.execute(self._sql["stop"], (why, now_ms, row["id"]))
