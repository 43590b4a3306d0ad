"""The outlets' tables in the base's database: cursors, what waits, what lies aside, bytes by day. Each method that
writes is one transaction, durable when it returns."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trapbase.gate import Standing
from trapbase.model import Sighting
from trapbase.store import DATABASE
from trapkit.database import load_queries, open_database, storage_error, transaction

AT_ONCE = 500  # sightings looked at in one transaction
MAX_WAITING = 10_000  # of one outlet: a fleet's months; beyond it the cursor waits, and nothing is missed
MAX_READY = 64  # looked at for the next one
DAYS = 60  # of bytes kept
CLOCK_SLACK_MS = 60_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A row of `outlet_items`; `result`: the id of an identification, 0 for a sighting."""

    id: int
    trap: int
    epoch: int
    number: int
    result: int
    queued_ms: int
    refusals: int

    @property
    def sighting(self) -> Sighting:
        return (self.trap, self.epoch, self.number)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What may have to go: a sighting as its alert said, or an identification with what the alert of its sighting said,
    where that is here. `at`: its place in its order; `named`: the species that the identification names."""

    at: int
    sighting: Sighting
    result: int
    code: int | None
    confidence: int | None
    named: str | None
    since_ms: int | None


class OutletQueue:
    """`name`: of the outlet.  Raises: SetupError from the constructor; StorageError from every method."""

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._db = open_database(folder / DATABASE, "trapbase")
        self._sql = load_queries("trapbase", "outlets.sql")

    def close(self) -> None:
        self._db.close()

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        try:
            return self._db.execute(self._sql[query], values).fetchall()
        except sqlite3.DatabaseError as error:
            raise storage_error(self._db, error) from error

    def begin(self, *, everything: bool) -> None:
        """Know this outlet. A new one gets `everything` that is here, or what comes from now on."""
        if self._rows("outlet", self._name):
            return
        with transaction(self._db) as db:
            db.execute(self._sql["add_outlet"], (self._name,))
            if not everything:
                sightings = db.execute(self._sql["newest_sighting"]).fetchone()[0]
                results = db.execute(self._sql["newest_identification"]).fetchone()[0]
                db.execute(self._sql["set_cursors"], (sightings, results, self._name))

    def candidates(self) -> tuple[list[Candidate], list[Candidate]]:
        """What came after the cursors: sightings, identifications. None while too much waits already."""
        if self._rows("count_items", self._name)[0][0] >= MAX_WAITING:
            return [], []
        row = self._rows("outlet", self._name)[0]
        seen = [
            Candidate(
                at=r["arrival"], sighting=(r["trap"], r["epoch"], r["number"]), result=0, code=r["species"],
                confidence=r["confidence"], named=None, since_ms=r["stored_ms"],
            )
            for r in self._rows("next_sightings", row["sightings"], AT_ONCE)
        ]  # fmt: skip
        said = [
            Candidate(
                at=r["id"], sighting=(r["trap"], r["epoch"], r["number"]), result=r["id"], code=r["code"],
                confidence=r["confidence"], named=r["species"], since_ms=None,
            )
            for r in self._rows("next_identifications", row["identifications"], AT_ONCE)
        ]  # fmt: skip
        return seen, said

    def add(
        self, chosen: Iterable[tuple[Candidate, int]], sightings: int | None, results: int | None, now_ms: int
    ) -> None:
        """Queue those with their priorities, and move the cursors to these places (None: as it is)."""
        with transaction(self._db) as db:
            row = db.execute(self._sql["outlet"], (self._name,)).fetchone()
            for one, priority in chosen:
                since_ms = now_ms if one.since_ms is None else one.since_ms
                db.execute(self._sql["add_item"], (self._name, *one.sighting, one.result, priority, since_ms))
            cursors = (
                row["sightings"] if sightings is None else sightings,
                row["identifications"] if results is None else results,
            )
            db.execute(self._sql["set_cursors"], (*cursors, self._name))

    def ready(self, traps: Iterable[int], now_ms: int, wait_ms: int | None) -> list[Item]:
        """What may go now, the most urgent first, at most `MAX_READY`: of these traps; a sighting without its crop only
        when it has waited `wait_ms` (None: it need not)."""
        known = json.dumps(sorted(traps))
        times = (now_ms - (wait_ms or 0), now_ms + CLOCK_SLACK_MS)
        rows = self._rows("ready", self._name, known, wait_ms is None, *times, MAX_READY)
        names = ("id", "trap", "epoch", "number", "result", "queued_ms", "refusals")
        return [Item(**{name: row[name] for name in names}) for row in rows]

    def pictures(self, sighting: Sighting) -> list[tuple[bytes, bytes | None]]:
        """Digest and bytes of its crop and of its frame, those that are here, the crop first; None: in a file."""
        return [(row["sha256"], row["body"]) for row in self._rows("pictures_of", *sighting)]

    def identifications(self, sighting: Sighting) -> list[dict[str, Any]]:
        """Every result of a sighting, rows of `identifications`."""
        return [dict(row) for row in self._rows("identifications_of", *sighting)]

    def publish_event_id(self, sighting: Sighting, event_id: str) -> None:
        """It leaves the base under this eventID, so batches will use it too."""
        with transaction(self._db) as db:
            db.execute(self._sql["publish_event_id"], (event_id, *sighting))

    def sent(self, item: Item, now_ms: int) -> None:
        """It has gone, and never goes again."""
        with transaction(self._db) as db:
            db.execute(self._sql["drop_item"], (item.id,))
            db.execute(self._sql["count_sent"], (now_ms, self._name))

    def count_sent(self, now_ms: int) -> None:
        """One more has gone that is no item: a batch."""
        with transaction(self._db) as db:
            db.execute(self._sql["count_sent"], (now_ms, self._name))

    def drop(self, item: Item) -> None:
        """There is nothing to send any more."""
        with transaction(self._db) as db:
            db.execute(self._sql["drop_item"], (item.id,))

    def refuse(self, item: Item, error: str, *, refusals: int, aside: bool) -> None:
        """It was refused so many times; `aside`: until a person asks for it."""
        with transaction(self._db) as db:
            db.execute(self._sql["refuse"], (refusals, "aside" if aside else "waiting", error[:500], item.id))

    # What a gate keeps (gate.Ledger)

    def spent(self, day: int) -> int:
        rows = self._rows("spent", self._name, day)
        return int(rows[0]["bytes"]) if rows else 0

    def spend(self, day: int, size: int) -> None:
        with transaction(self._db) as db:
            db.execute(self._sql["spend"], (self._name, day, size))
            db.execute(self._sql["trim_days"], (self._name, DAYS))

    def tell(self, standing: Standing) -> None:
        with transaction(self._db) as db:
            values = (standing.failures, standing.until_ms, standing.error[:500], self._name)
            db.execute(self._sql["tell"], values)

    def asked(self) -> int:
        rows = self._rows("asked", self._name)
        return int(rows[0]["asked"]) if rows else 0

    def ask(self, item: int | None) -> int | None:
        """A person wants another try of everything, or of one item: how many come back from aside. None where this
        outlet, or that item, is not here."""
        with transaction(self._db) as db:
            if not db.execute(self._sql["ask"], (self._name,)).rowcount:
                return None
            if item is None:
                return db.execute(self._sql["retry_all"], (self._name,)).rowcount
            return db.execute(self._sql["retry_one"], (self._name, item)).rowcount or None
