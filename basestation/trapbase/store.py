"""Custody: the one module that writes the base's database. Every method is one transaction, durable when it returns."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from trapbase.media import INCOMING, MediaFolder, body_of
from trapbase.model import Arrival, Batch, Event, OpenReceipt, Sighting, StoredObject, Waiting
from trapbase.store_rows import IN_ROWS, Rows, Sorted, event_of, is_inline, note_said, object_of, rows_of, waiting_of
from trapbase.unit_keys import UNKNOWN, proof_of
from trapkit.database import add_rows, commit, load_queries, open_database, reading, storage_error, transaction, writing
from trapkit.errors import StorageError
from trapkit.files import make_folder, refusal
from trapwire.errors import WireError
from trapwire.notes import decode_note
from trapwire.objects import ObjectKey

DATABASE = "base.sqlite3"
CACHE_KB = 8192  # of pages: with a million events the upper levels of all indices, and a group's own leaves
CHECKPOINT_PAGES = 4000  # of 4 kB: the log grows to 16 MB, and a page that many groups change is written back once
MAX_CONFLICTS = 1000  # kept aside, so that a hostile sender cannot fill the disk; beyond it they are only counted
MAX_UNPROVED = 10_000  # looked at again when ingest starts: 30 days of 300 traps
MEETINGS = 5  # times that another program may store the same object at the same moment
MAX_URGENT = 256  # of these beyond it
MAX_WAITING = 4096  # objects looked at for one cut: 64 batches of 64


class Store:
    """The database and the media folder in `folder`. `unit_keys`: the folder with the public keys that traps sign their
    notes with, `N.sign.pub`; None: no note is verified here. `incoming`: where in `folder` this program alone writes.

    Raises: SetupError from the constructor; StorageError from every method when the disk refuses, with nothing
    changed.
    """

    def __init__(self, folder: Path, unit_keys: Path | None = None, *, incoming: str = INCOMING) -> None:
        make_folder(folder)
        self.folder = folder
        self._unit_keys = unit_keys
        self.media = MediaFolder(folder / "media", incoming)
        self._db = open_database(folder / DATABASE, "trapbase")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        # A statement of many rows can be undone alone: what it takes for that is small, and not worth a file.
        self._db.execute("PRAGMA temp_store = MEMORY")
        self._meets_repeats = False
        self._sql = load_queries("trapbase") | load_queries("trapbase", "cards.sql")

    def close(self) -> None:
        self._db.close()

    def _rows(self, name: str, *values: object) -> list[sqlite3.Row]:
        try:
            return self._db.execute(self._sql[name], values).fetchall()
        except sqlite3.DatabaseError as error:
            raise storage_error(self._db, error) from error

    def add(
        self,
        arrivals: Iterable[Arrival],
        heard: Iterable[tuple[int, dict[str, Any]]],
        garbage: int,
        now_ms: int,
        *,
        let_go: int = 0,
    ) -> list[Arrival]:
        """Store a group from the bus; returns those that are now durable here, and so may be acknowledged.

        A key that came with other bytes than the first time is kept aside; it too is returned, or a cloned card would
        cost airtime for ever. No receipt will ever match those bytes, so their trap keeps them. Without room aside
        they are not returned. `heard`: the last words of traps; `garbage`: messages to count; `let_go`: objects that
        came in part and were given up.
        """
        kept = self.begin_add(rows_of(list(arrivals), now_ms), heard, garbage, now_ms, let_go=let_go)
        self.commit()
        return kept

    def begin_add(
        self,
        rows: Rows,
        heard: Iterable[tuple[int, dict[str, Any]]],
        garbage: int,
        now_ms: int,
        *,
        let_go: int = 0,
    ) -> list[Arrival]:
        """As `add`, and those that it returns are durable only once `commit` has returned, which must be the next call
        of all."""
        heard = list(heard)
        counted = {"garbage": garbage, "partials_let_go": let_go}
        if rows.all_inline and not self._meets_repeats:
            # Nearly always everything is new: the keys say whether it is, and nobody has to look beforehand.
            with suppress(sqlite3.IntegrityError):
                return self._write(Sorted(fresh=rows.arrivals), rows, heard, counted, now_ms)
        for _ in range(MEETINGS):
            with suppress(sqlite3.IntegrityError):  # another program stored one of them meanwhile: a repeat now
                return self._add(rows.arrivals, heard, counted, now_ms)
        raise StorageError(f"{self.folder / DATABASE}: other programs store the same objects; it is tried again")

    def commit(self) -> None:
        """What `begin_add` wrote is on the disk when this returns.  Raises: StorageError, and none of it is."""
        commit(self._db)

    def holds(self, key: ObjectKey, sha256: bytes) -> bool:
        """Whether these bytes are in custody under this key, or kept aside; in a row, or in a file that is whole."""
        rows = self._rows("digest_of", *key.as_tuple())
        if rows and rows[0]["sha256"] != sha256:
            rows = self._rows("has_conflict", *key.as_tuple(), sha256)
        # One that was given up for room is signed for: whoever offers it again may let it go.
        return bool(rows) and (not rows[0]["in_file"] or self.media.read(sha256) is not None)

    def read(self, o: StoredObject) -> bytes | None:
        """An object's bytes, from its row or its file; None when they are missing, given up for room, or their digest
        is wrong."""
        rows = self._rows("body_of", o.id)
        if not rows or rows[0]["gone_ms"] is not None:
            return None
        return body_of(self.folder / "media", o.sha256, rows[0]["body"])

    def _add(
        self, arrivals: list[Arrival], heard: list[tuple[int, dict[str, Any]]], counted: dict[str, int], now_ms: int
    ) -> list[Arrival]:
        with reading(self._db):  # one look at the database for all of them
            sorted_ = self._sort(arrivals)
        self._meets_repeats = bool(sorted_.repeats or sorted_.refused)
        if sorted_.files:
            try:
                self.media.put((a.sha256, a.body) for a in sorted_.files)
            except OSError as error:
                raise StorageError(f"media folder: {refusal(self.folder / 'media', error)}") from error
        return self._write(sorted_, rows_of(sorted_.fresh, now_ms), heard, counted, now_ms)

    def _write(
        self,
        sorted_: Sorted,
        fresh: Rows,
        heard: list[tuple[int, dict[str, Any]]],
        counted: dict[str, int],
        now_ms: int,
    ) -> list[Arrival]:
        repeats, conflicts = sorted_.repeats, sorted_.conflicts
        with writing(self._db) as db:
            self._add_objects(db, fresh, now_ms)
            media_bytes = fresh.media
            for a in conflicts:
                body = a.body if is_inline(a) else None
                aside = (*a.key.as_tuple(), a.sha256, len(a.body), body, now_ms)
                if db.execute(self._sql["add_conflict"], aside).rowcount and a.key.rung not in IN_ROWS:
                    media_bytes += len(a.body)
            if media_bytes:
                db.execute(self._sql["fill"], (media_bytes,))
            also = [(*a.key.as_tuple(), a.base, a.rssi_dbm, a.snr_db, a.received_ms) for a in repeats if a.base]
            also_heard = db.executemany(self._sql["add_reception"], also).rowcount if also else 0
            for trap, word in heard:
                values = (word["received_ms"], word["base"], word["rssi_dbm"], word["snr_db"])
                db.execute(self._sql["set_heard"], (trap, *values, json.dumps(word["health"], sort_keys=True)))
            self._count(db, repeats=len(repeats), conflicts=sorted_.refused, also_heard=also_heard, **counted)
        return sorted_.fresh + repeats + conflicts

    def _sort(self, arrivals: Iterable[Arrival]) -> "Sorted":
        """What is new, what is there already, and what contradicts it and is kept aside."""
        found = Sorted()
        seen: dict[tuple[int, int, int, int], bytes] = {}
        aside: set[tuple[tuple[int, int, int, int], bytes]] = set()
        room: int | None = None
        for a in arrivals:
            key = a.key.as_tuple()
            in_file = not is_inline(a)
            if key not in seen:
                rows = self._rows("digest_of", *key)
                if not rows:
                    found.take(found.fresh, a, in_file)
                    seen[key] = a.sha256
                    continue
                seen[key] = rows[0]["sha256"]
                in_file = bool(rows[0]["in_file"])
            if seen[key] == a.sha256:
                # Its file again too: an acknowledgement promises the bytes, and they may be gone or damaged by now.
                found.take(found.repeats, a, in_file)
                continue
            found.refused += 1
            if room is None:
                room = MAX_CONFLICTS - int(self._rows("count_conflicts")[0][0])
            known = self._rows("has_conflict", *key, a.sha256)
            if known or (key, a.sha256) in aside:
                found.take(found.conflicts, a, bool(known[0]["in_file"]) if known else not is_inline(a))
            elif len(aside) < room:
                aside.add((key, a.sha256))
                found.take(found.conflicts, a, not is_inline(a))
        return found

    def is_aside(self, a: Arrival) -> bool:
        """Whether it is kept beside other bytes that came first."""
        return bool(self._rows("has_conflict", *a.key.as_tuple(), a.sha256))

    def _add_objects(self, db: sqlite3.Connection, fresh: Rows, now_ms: int) -> None:
        """The rows of a group, many at a time: the statements cost more than what they do."""
        if not fresh.objects:
            return
        (newest,) = db.execute(self._sql["newest_object"]).fetchone()
        first = (newest or 0) + 1
        add_rows(db, self._sql["add_object"], fresh.objects)
        add_rows(db, self._sql["add_event"], [(*event, first + place) for event, place in fresh.events])
        for a in fresh.notes:
            self._add_note(db, a, now_ms)
        db.execute(self._sql["tally_objects"], (len(fresh.objects), fresh.size))
        add_rows(
            db, self._sql["tally_seen"], [(*of, count, first + place) for of, (count, place) in fresh.seen.items()]
        )
        if db.execute(self._sql["any_elsewhere"]).fetchone():
            self._adopt(db, enumerate(fresh.arrivals, start=first))

    def _adopt(self, db: sqlite3.Connection, added: Iterable[tuple[int, Arrival]]) -> None:
        """After a restore: of new rows those that the back end has already, and has signed for."""
        for number, a in added:
            for row in db.execute(self._sql["take_elsewhere"], (*a.key.as_tuple(), a.sha256)).fetchall():
                db.execute(self._sql["adopt_object"], (row["batch_id"], number))
                db.execute(self._sql["adopt_into"], (1, row["batch_id"]))

    def _add_note(self, db: sqlite3.Connection, a: Arrival, now_ms: int) -> None:
        try:
            note = decode_note(a.body)
        except WireError:
            return  # as an alert that cannot be read
        key = (a.key.trap, a.key.epoch, a.key.number)
        said = (note.kind, note.time_ms, note.uncertainty_ms, note.values.get("day"), note.values.get("marks", 0))
        proof = proof_of(self._unit_keys, *key, a.body)
        db.execute(self._sql["add_note"], (*key, *said, json.dumps(note_said(note), sort_keys=True), proof, now_ms))

    def verify_notes(self) -> None:
        """Look again at notes of traps whose key was not here when they came: it may have been put here since."""
        found = [
            (
                proof_of(self._unit_keys, r["trap"], r["epoch"], r["number"], r["body"]),
                r["trap"],
                r["epoch"],
                r["number"],
            )
            for r in self._rows("unproved_notes", MAX_UNPROVED)
        ]
        proved = [row for row in found if row[0] != UNKNOWN]
        if proved:
            with transaction(self._db) as db:
                db.executemany(self._sql["prove_note"], proved)

    def day_notes(self, traps: Iterable[int], limit: int) -> list[dict[str, Any]]:
        """Every day's line of these traps, by trap and day, at most `limit`."""
        return [dict(r) for r in self._rows("day_notes_of", json.dumps(sorted(traps)), limit)]

    def cards_mark(self) -> tuple[int, ...]:
        """Changes whenever a card came or was proved."""
        return tuple(self._rows("cards_mark")[0])

    def cards(self, limit: int) -> list[dict[str, Any]]:
        """Every card and sample, sealed, at most `limit`."""
        return [dict(r) for r in self._rows("cards", limit)]

    def _count(self, db: sqlite3.Connection, **counters: int) -> None:
        for name, value in counters.items():
            if value:
                db.execute(self._sql["count"], (value, name))

    # Batches

    def newest_object(self) -> int:
        """The last row of `objects`: it changes whenever something came."""
        return int(self._rows("newest_object")[0][0] or 0)

    def waiting(self, traps: Iterable[int], urgent: Iterable[int] = ()) -> list[Waiting]:
        """Objects of these traps that no batch has yet, oldest first, at most `MAX_WAITING`; `urgent`: species.

        Behind a long backlog those of an urgent sighting are looked for beyond it.
        """
        known, species = sorted(traps), set(urgent)
        rows = self._rows("waiting", json.dumps(known), MAX_WAITING)
        beyond = self.waiting_urgent(known, species, rows[-1]["id"]) if len(rows) == MAX_WAITING else []
        return [waiting_of(r, species) for r in rows] + beyond

    def waiting_urgent(self, traps: Iterable[int], urgent: Iterable[int], after: int) -> list[Waiting]:
        """Of what came after row `after` and no batch has yet: alarms, and objects of sightings of these species."""
        species = set(urgent)
        wanted = (json.dumps(sorted(species)), json.dumps(sorted(traps)), MAX_URGENT)
        return [waiting_of(r, species) for r in self._rows("waiting_urgent", after, *wanted)]

    def events_near(self, traps: Iterable[int], start_ms: int, end_ms: int, limit: int) -> list[Event]:
        """What these traps saw between two times (Unix ms), at most `limit`."""
        rows = self._rows("events_near", json.dumps(sorted(traps)), start_ms, end_ms, limit)
        return [event_of(r) for r in rows]

    def event(self, sighting: Sighting) -> Event | None:
        """What the alert of this sighting said, or None while it is not here or cannot be read."""
        rows = self._rows("event_of", *sighting)
        return event_of(rows[0]) if rows else None

    def add_batch(
        self, batch_id: str, size: int, objects: list[StoredObject], event_ids: Mapping[Sighting, str], now_ms: int
    ) -> None:
        """Record a batch whose file is on the disk already, its objects and the eventIDs that it publishes."""
        with transaction(self._db) as db:
            db.execute(self._sql["add_batch"], (batch_id, size, len(objects), now_ms))
            for o in objects:
                if db.execute(self._sql["mark_batched"], (batch_id, o.id)).rowcount != 1:
                    raise AssertionError(f"object {o.id} is in a batch already")
            for sighting, event_id in event_ids.items():
                db.execute(self._sql["publish_event_id"], (event_id, *sighting))

    def split_batch(self, batch_id: str, parts: list[tuple[str, int, list[StoredObject]]], now_ms: int) -> None:
        """Put smaller batches (id, size, objects), their files on the disk already, in a batch's place."""
        with transaction(self._db) as db:
            for part, size, objects in parts:
                db.execute(self._sql["add_batch"], (part, size, len(objects), now_ms))
                for o in objects:
                    if db.execute(self._sql["move_object"], (part, o.id, batch_id)).rowcount != 1:
                        raise AssertionError(f"object {o.id} is not in batch {batch_id}")
            db.execute(self._sql["drop_batch"], (batch_id,))

    def batches_in(self, states: Iterable[str], limit: int) -> list[Batch]:
        """Batches in one of these states, oldest first."""
        wanted = list(states)
        query = "batches_in" if "receipted" in wanted else "open_batches_in"
        rows = self._rows(query, json.dumps(wanted), limit)
        names = ("batch_id", "state", "size", "url", "cut_ms")
        return [Batch(**{name: r[name] for name in names}) for r in rows]

    def batch_files_needed(self) -> set[str]:
        """Ids of the batches that the back end has not signed for."""
        return {r["batch_id"] for r in self._rows("batch_ids")}

    def receipted(self, names: Iterable[str]) -> list[str]:
        """Those of these batches that the back end has signed for."""
        return [r["batch_id"] for r in self._rows("receipted_of", json.dumps(sorted(names)))]

    def set_url(self, batch_id: str, url: str) -> None:
        """cut -> uploading: the back end's address for this batch, known before its first byte is sent."""
        self._run("set_url", url, batch_id)

    def forget_url(self, batch_id: str) -> None:
        """-> cut: the back end does not know the address any more."""
        self._run("forget_url", batch_id)

    def recut(self, batch_id: str, size: int) -> None:
        """-> cut: its file was made again."""
        self._run("recut", size, batch_id)

    def set_uploaded(self, batch_id: str, now_ms: int) -> None:
        """uploading -> uploaded."""
        self._run("set_uploaded", now_ms, batch_id)

    def set_there(self, batch_id: str, now_ms: int) -> None:
        """-> uploaded, without an address: the back end has it already."""
        self._run("set_there", now_ms, batch_id)

    def set_batch_error(self, batch_id: str, error: str, counter: str) -> None:
        """What went wrong last, for people to read, and one more on `counter`."""
        with transaction(self._db) as db:
            db.execute(self._sql["set_batch_error"], (error[:500], batch_id))
            self._count(db, **{counter: 1})

    def _run(self, name: str, *values: object) -> int:
        with transaction(self._db) as db:
            return db.execute(self._sql[name], values).rowcount

    def all_objects(self, traps: Iterable[int], limit: int) -> list[StoredObject]:
        """Everything in custody of these traps, at most `limit`."""
        rows = self._rows("all_objects", json.dumps(sorted(traps)), limit)
        return [object_of(r) for r in rows]

    # Receipts

    def objects_of(self, batch_id: str) -> list[StoredObject]:
        return [object_of(r) for r in self._rows("objects_of_batch", batch_id)]

    def add_receipts(self, batch_id: str, receipts: list[tuple[int, int, bytes]], now_ms: int) -> None:
        """-> receipted, with (trap, epoch, short form) to be taken down to the traps."""
        with transaction(self._db) as db:
            if db.execute(self._sql["set_receipted"], (now_ms, batch_id)).rowcount != 1:
                return  # they are here already
            for trap, epoch, body in receipts:
                db.execute(self._sql["add_receipt"], (batch_id, trap, epoch, body, now_ms))
            db.execute(self._sql["mark_receipted"], (batch_id,))

    def open_receipts(self, limit: int) -> list[OpenReceipt]:
        """Receipts that their traps have not taken yet, oldest first."""
        rows = self._rows("open_receipts", limit)
        return [OpenReceipt(id=r["id"], trap=r["trap"], epoch=r["epoch"], body=r["body"]) for r in rows]

    def set_delivered(self, number: int, trap: int, epoch: int, now_ms: int) -> None:
        """The trap has taken this receipt; a repeat changes nothing."""
        self._run("set_delivered", now_ms, number, trap, epoch)

    def send_again(self, trap: int) -> int:
        """Take all receipts of a trap down to it once more; how many. It takes a repeat for what it is."""
        return self._run("send_again", trap)

    def note_late(self, batch_id: str, text: str) -> None:
        """For people to read in `trapbase status`; nothing has failed."""
        self._run("set_batch_error", text, batch_id)
