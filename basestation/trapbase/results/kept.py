"""The tables of results in the base's database; written beside `store`, each method a transaction."""

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trapbase.model import Identification, Sighting
from trapbase.results.standing import standing
from trapbase.store import DATABASE
from trapkit.database import load_queries, open_database, storage_error, transaction

MAX_OF_SIGHTING = 64  # results kept of one sighting: a back end that decides more often than that has gone mad
MAX_KEPT = 1_000_000  # in all, some 250 MB; beyond it no page is taken, and a person is told
BUS = "bus"  # the cursor of what was told


class FullError(Exception):
    """`MAX_KEPT` results are here: no more are taken, and the cursor stays where it is."""


class ResultStore:
    """Raises: SetupError from the constructor; StorageError from every method when the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self._db = open_database(folder / DATABASE, "trapbase")
        self._sql = load_queries("trapbase", "results.sql")

    def close(self) -> None:
        self._db.close()

    def _rows(self, name: str, *values: object) -> list[sqlite3.Row]:
        try:
            return self._db.execute(self._sql[name], values).fetchall()
        except sqlite3.DatabaseError as error:
            raise storage_error(self._db, error) from error

    def cursor(self, name: str) -> str:
        """How far the results of a back end (its public key, hexadecimal) are here; "" before the first."""
        rows = self._rows("identification_cursor", name)
        return str(rows[0]["cursor"]) if rows else ""

    def add(self, results: Iterable[Identification], bad: int, name: str, cursor: str, now_ms: int) -> int:
        """Store a page and move its back end's cursor, in one transaction; how many were new.

        A result_id that came with other words than the first time is counted: the first words stay. `bad`: results
        that could not be read.  Raises: StorageError, FullError.
        """
        results = list(results)
        (held,) = self._rows("count_identifications")[0]
        if held + len(results) > MAX_KEPT:
            raise FullError(f"{held} are here, allowed are {MAX_KEPT}; no more are taken")
        new = conflicts = 0
        with transaction(self._db) as db:
            for result in results:
                found = db.execute(self._sql["identification"], (result.result_id,)).fetchone()
                if found is not None:
                    conflicts += identification_of(found) != result
                elif len(db.execute(self._sql["identifications_of"], result.sighting).fetchall()) >= MAX_OF_SIGHTING:
                    bad += 1
                else:
                    self._insert(db, result, now_ms)
                    new += 1
            for sighting in {r.sighting for r in results}:
                self._stand(db, sighting)
            db.execute(self._sql["set_identification_cursor"], (name, cursor, now_ms))
            self._count(db, bad_identifications=bad, identification_conflicts=conflicts)
        return new

    def _insert(self, db: sqlite3.Connection, r: Identification, now_ms: int) -> None:
        said = (r.individual, r.species, r.sex, r.life_stage, r.confidence, r.method, r.reviewer, r.decided_ms)
        values = (r.result_id, *r.sighting, *said, now_ms, int(r.withdrawn), r.replaces)
        db.execute(self._sql["add_identification"], values)

    def _stand(self, db: sqlite3.Connection, sighting: Sighting) -> None:
        rows = db.execute(self._sql["identifications_of"], sighting).fetchall()
        ids = {r["result_id"]: r["id"] for r in rows}
        stands = standing([identification_of(r) for r in rows])
        db.execute(self._sql["lay_down"], sighting)
        if stands is not None:
            db.execute(self._sql["set_up"], (ids[stands],))

    def _count(self, db: sqlite3.Connection, **counters: int) -> None:
        for name, value in counters.items():
            if value:
                db.execute(self._sql["count_result"], (value, name))

    def refused(self) -> None:
        """One more answer that was no page of the back end's."""
        with transaction(self._db) as db:
            self._count(db, bad_identifications=1)

    def ask_again(self) -> None:
        """Forget how far results are here: all are asked for again, and repeats change nothing."""
        with transaction(self._db) as db:
            db.execute(self._sql["forget_identification_cursors"])

    def untold(self, limit: int) -> list[dict[str, Any]]:
        """Rows that were not told on the bus yet, in their order."""
        return [dict(r) for r in self._rows("identifications_after", int(self.cursor(BUS) or 0), limit)]

    def set_told(self, last_id: int, now_ms: int) -> None:
        """Everything up to this id was told."""
        with transaction(self._db) as db:
            db.execute(self._sql["set_identification_cursor"], (BUS, str(last_id), now_ms))

    def all_standing(self, page: int = 1000) -> Iterable[Identification]:
        """What stands of every sighting, by sighting."""
        after: Sighting = (0, 0, 0)
        while rows := self._rows("standing_after", *after, page):
            for row in rows:
                found = identification_of(row)
                after = found.sighting
                yield found


def identification_of(r: Mapping[str, Any] | sqlite3.Row) -> Identification:
    """A row of `identifications` as a value."""
    same = (
        "result_id",
        "trap",
        "epoch",
        "number",
        "individual",
        "species",
        "sex",
        "life_stage",
        "confidence",
        "method",
    )
    more = ("method", "reviewer", "decided_ms", "replaces")
    return Identification(withdrawn=bool(r["withdrawn"]), **{name: r[name] for name in same + more})
