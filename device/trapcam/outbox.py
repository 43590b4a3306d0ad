"""The outbox: from its commit on a sighting is not lost (SQLite, and files for full frames; the adapter of both).

A full frame's file is written, fsynced and renamed before the commit that names it, and removed after the commit
that lets it go: a crash in between leaves a file that nobody names, which the next start removes. The samples of
rejected bursts lie beside it (`audit_store`), and give way where the card is full.
"""

import hashlib
import secrets
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from trapcam.audit_store import AUDIT_FOLDER, MAX_BYTES, AuditStore, for_want_of_room
from trapcam.note_store import NoteStore
from trapcam.receipts import ReceiptOutcome, check_receipt
from trapcam.record import Outcome, Sighting, Withheld
from trapcam.seal import SealedObject
from trapcam.states import DELETED, DELIVERED, FIRST_STATE, WANTED_PRIORITY, priority
from trapkit.database import load_queries, open_database, storage_error, transaction
from trapkit.errors import SetupError, StorageError
from trapkit.files import fsync_folder, refusal, write_atomically
from trapwire.objects import ALERT, CROP, FRAME, FULL, NOTE, SCENE, Envelope, ObjectKey

SQL = load_queries("trapcam")
DATABASE = "outbox.sqlite"
FULL_FOLDER = "full"
ROOM_BYTES = 4096  # what the rows of one outcome may take besides their bodies


class Outbox:
    """The objects of one trap and epoch. Build it with `open_outbox`.

    Every method that changes something returns when the change is durable.  Raises: StorageError when the disk
    refuses; nothing has changed then, and the call may be repeated.  `missing`: full frames that it names and whose
    files were gone when it was opened. `audit`: the samples of rejected bursts; `notes`: what belongs to no sighting.
    """

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, trap: int, epoch: int, audit: AuditStore, missing: int = 0
    ) -> None:
        self._db = connection
        self._folder = folder
        self.audit = audit
        self.notes = NoteStore(connection)
        self.trap = trap
        self.epoch = epoch
        self.missing = missing

    def close(self) -> None:
        self._db.close()

    def _rows(self, query: str, parameters: Any = ()) -> list[sqlite3.Row]:
        try:
            return self._db.execute(SQL[query], parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise storage_error(self._db, error) from error

    def key(self, number: int, rung: int) -> ObjectKey:
        return ObjectKey(self.trap, self.epoch, number, rung)

    # --- bursts -------------------------------------------------------------------------------------------------

    def declare_source(self, source: str, total: int | None) -> None:
        """Begin or go on with a source of bursts; `total`: how many it has, None where it never ends."""
        with transaction(self._db) as db:
            db.execute(SQL["declare_source"], (source, total))

    def position(self, source: str) -> int:
        """How many bursts of a source have an outcome."""
        found = self._rows("position", (source,))
        return int(found[0]["position"]) if found else 0

    def commit(self, outcome: Outcome | Withheld) -> int | None:
        """Record one burst, all of it or nothing; the event's number where it is a sighting.

        An outcome whose position is already past is a repeat: it changes nothing and returns None. Where the card is
        full, audit samples give way until it fits or none is left.
        Raises: StorageError; ValueError for a position that was skipped to, or of a source never declared.
        """
        while True:
            try:
                return self._commit(outcome)
            except StorageError as error:
                if not (for_want_of_room(error) and self.audit.make_room(_bytes(outcome))):
                    raise

    def _commit(self, outcome: Outcome | Withheld) -> int | None:
        sighting = outcome.sighting if isinstance(outcome, Outcome) else None
        audited = outcome.audited if isinstance(outcome, Outcome) else None
        for sealed in sighting.objects if sighting else ():
            if sealed.rung == FULL:
                self._write_full(sealed)
        written = audited is not None and self.audit.prepare(audited)
        with transaction(self._db) as db:
            if db.execute(SQL["advance"], (outcome.source, outcome.position)).rowcount != 1:
                self._check_repeat(outcome)
                return None
            db.execute(SQL["count"], ("frames_in", outcome.frames))
            if isinstance(outcome, Outcome):
                burst_no = _add_burst(db, outcome)
                if outcome.scene is not None:
                    self.notes.record_scene(db, outcome.scene, outcome.trigger.at_ms)
                if audited is not None:
                    self.audit.record(db, burst_no, audited, written=written)
                return None if sighting is None else _add_event(db, burst_no, sighting)
            db.execute(SQL["count"], ("frames_withheld", outcome.frames))
            if outcome.hour_ms is not None:
                db.execute(SQL["count_people"], (outcome.hour_ms, outcome.category))
        return None

    def _check_repeat(self, outcome: Outcome | Withheld) -> None:
        position = self.position(outcome.source)
        if outcome.position >= position:
            raise ValueError(f"{outcome.source} stands at {position}, the outcome is of {outcome.position}")

    def _write_full(self, sealed: SealedObject) -> None:
        path = self._folder / FULL_FOLDER / _full_name(sealed)
        try:
            write_atomically(path, sealed.body, mode=0o600)
        except OSError as error:
            raise StorageError(f"a full frame cannot be written: {refusal(path.parent, error)}") from error

    # --- objects ------------------------------------------------------------------------------------------------

    def waiting(self, limit: int, below_priority: int) -> list[tuple[int, int, int]]:
        """(priority, number, rung) of objects to hand to the supervisor, most urgent and oldest first."""
        return [tuple(row) for row in self._rows("waiting", (below_priority, limit))]

    def undelivered(self, limit: int) -> list[tuple[int, int, int, int]]:
        """(priority, number, rung, bytes) of objects that no base is known to have, most urgent and oldest first."""
        return [tuple(row) for row in self._rows("undelivered", (limit,))]

    def is_undelivered(self, number: int, rung: int) -> bool:
        """Whether an object is still to go."""
        return bool(self._rows("is_undelivered", (number, rung)))

    def in_state(self, state: str) -> list[tuple[int, int, int]]:
        """(priority, number, rung) of all objects in one state, most urgent and oldest first."""
        return [tuple(row) for row in self._rows("in_state", (state,))]

    def envelope(self, number: int, rung: int) -> Envelope | None:
        """The object as it travels; None when there is no such object or a receipt has let it go.

        Raises: StorageError when its file cannot be read, or does not hold the bytes that were sealed.
        """
        found = self._rows("object", (number, rung))
        if not found or found[0]["state"] == DELETED:
            return None
        body = found[0]["body"]
        if body is None:
            path = self._folder / FULL_FOLDER / found[0]["file"]
            try:
                body = path.read_bytes()
            except OSError as error:
                raise StorageError(f"{path}: a full frame cannot be read: {error.strerror}") from error
            if hashlib.sha256(body).digest() != found[0]["sha256"]:
                # No receipt would ever match other bytes, and the base keeps the first that come under a key.
                raise StorageError(f"{path}: a full frame is damaged")
        return Envelope(self.key(number, rung), body)

    def to_send(self, number: int, rung: int) -> Envelope | None:
        """The same for a carrier: None too when another one has delivered it.  Raises: StorageError."""
        found = self._rows("object", (number, rung))
        return None if found and found[0]["state"] == DELIVERED else self.envelope(number, rung)

    def mark(self, stored: Iterable[tuple[int, int]], delivered: Iterable[tuple[int, int]]) -> None:
        """What a carrier reports of (number, rung); what does not apply, or no longer, changes nothing."""
        with transaction(self._db) as db:
            db.executemany(SQL["mark_stored"], list(stored))
            db.executemany(SQL["mark_delivered"], list(delivered))

    def want(self, number: int, rung: int) -> bool:
        """Somebody asks for this object by radio: it becomes urgent, whether or not it was to go by radio at all.

        False when it is not here, goes by no radio, or is on its way already or delivered.
        """
        if rung not in (ALERT, CROP, FRAME, NOTE, SCENE):
            return False
        with transaction(self._db) as db:
            return db.execute(SQL["want"], (WANTED_PRIORITY, number, rung)).rowcount == 1

    def held_counts(self) -> tuple[int, int]:
        """Objects without a receipt, and full frames that nobody has collected."""
        row = self._rows("held_counts", {"full": FULL})[0]
        return row["unreceipted"], row["full_frames_held"]

    # --- receipts -----------------------------------------------------------------------------------------------

    def apply_receipt(self, envelope: Envelope, public_key: bytes, now_ms: int) -> ReceiptOutcome:
        """Let go of exactly the objects that a receipt names, if the back end signed it for these very bytes.

        A refused one (unknown objects, wrong signature, another trap) changes nothing and is counted.
        """
        receipt = check_receipt(envelope, self.trap, self.epoch, self._digest, public_key)
        if receipt is None:
            self.count("receipts_refused")
            return ReceiptOutcome.REFUSED
        sha256 = hashlib.sha256(envelope.body).digest()
        if self._rows("receipt", (sha256,)):
            return ReceiptOutcome.REPEATED
        files = [row["file"] for key in receipt.objects for row in self._rows("object", key) if row["file"]]
        with transaction(self._db) as db:
            db.executemany(SQL["mark_deleted"], receipt.objects)
            db.execute(SQL["add_receipt"], (sha256, len(receipt.objects), receipt.signature, now_ms))
        for name in files:
            with suppress(OSError):  # what cannot be removed now is nobody's file at the next start
                (self._folder / FULL_FOLDER / name).unlink()
        return ReceiptOutcome.APPLIED

    def _digest(self, number: int, rung: int) -> bytes | None:
        found = self._rows("object", (number, rung))
        return found[0]["sha256"] if found else None

    def count(self, name: str, by: int = 1) -> None:
        """Add to a durable counter."""
        with transaction(self._db) as db:
            db.execute(SQL["count"], (name, by))


def _full_name(sealed: SealedObject) -> str:
    return f"{sealed.sha256.hex()}.age"


def _bytes(outcome: Outcome | Withheld) -> int:
    """About what an outcome takes on the card."""
    sighting = outcome.sighting if isinstance(outcome, Outcome) else None
    return ROOM_BYTES + sum(len(sealed.body) for sealed in (sighting.objects if sighting else ()))


def _add_burst(db: sqlite3.Connection, outcome: Outcome) -> int | None:
    """The row of one burst, within the caller's transaction; its number."""
    return db.execute(
        SQL["add_burst"],
        {
            "source": outcome.source,
            "position": outcome.position,
            "name": outcome.name,
            "trigger_no": outcome.trigger.number,
            "cause": outcome.trigger.cause,
            "taken_ms": outcome.trigger.at_ms,
            "frames": outcome.frames,
            "outcome": outcome.outcome,
            "reason": outcome.reason,
            "score": outcome.score,
        },
    ).lastrowid


def _add_event(db: sqlite3.Connection, burst_no: int | None, sighting: Sighting) -> int:
    number = int(db.execute(SQL["next_number"]).fetchone()[0])
    event = sighting.event
    x, y, w, h = event.bbox
    db.execute(
        SQL["add_event"],
        {
            "number": number,
            "burst_no": burst_no,
            "taken_ms": sighting.taken_ms,
            "uncertainty_ms": sighting.uncertainty_ms,
            "category": event.category,
            "species": event.species,
            "confidence": event.confidence,
            "count": event.count,
            "x": x,
            "y": y,
            "w": w,
            "h": h,
            "model": sighting.model,
            "model_sha256": sighting.model_sha256,
        },
    )
    for sealed in sighting.objects:
        on_disk = sealed.rung == FULL
        db.execute(
            SQL["add_object"],
            {
                "number": number,
                "rung": sealed.rung,
                "priority": priority(sealed.rung, event.species),
                "state": FIRST_STATE[sealed.rung],
                "bytes": len(sealed.body),
                "sha256": sealed.sha256,
                "body": None if on_disk else sealed.body,
                "file": _full_name(sealed) if on_disk else None,
            },
        )
    return number


def open_outbox(folder: Path, trap: int, now_ms: int, *, audit_bytes: int = MAX_BYTES) -> Outbox:
    """The outbox in `folder`; a blank one draws a new epoch. Files that no object names are removed.

    audit_bytes: how much room audit samples may take. Those whose outbox is gone can no longer be counted, and go too.

    Raises: SetupError when the folder cannot be used or belongs to another trap; StorageError when the disk refuses.
    """
    try:
        full = folder / FULL_FOLDER
        for each in (full, folder / AUDIT_FOLDER):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
        fsync_folder(folder)
        db = open_database(folder / DATABASE, "trapcam")
    except OSError as error:
        raise SetupError(f"{folder}: cannot be used for the outbox: {error.strerror}") from error
    try:
        with transaction(db):
            row = db.execute(SQL["identity"]).fetchone() or _create_identity(db, full, trap, now_ms)
            named = {found["file"] for found in db.execute(SQL["files"])}
        if row["trap"] != trap:
            raise SetupError(
                f"{folder}: this outbox belongs to trap {row['trap']}, the setting `trap` is {trap}; "
                "collect its objects first, or give another folder as `data`"
            )
        audit = AuditStore(db, folder, audit_bytes)
        audit.sweep()
    except BaseException:
        db.close()
        raise
    present = {path.name for path in full.iterdir()}
    for name in present - named:
        (full / name).unlink()
    return Outbox(db, folder, trap, row["epoch"], audit, missing=len(named - present))


def _create_identity(db: sqlite3.Connection, full: Path, trap: int, now_ms: int) -> sqlite3.Row:
    """A new epoch; never over full frames whose outbox is gone: they may be the only ones."""
    orphans = sum(path.suffix == ".age" for path in full.iterdir())
    if orphans:
        raise SetupError(f"{full}: {orphans} full frames lie here and their outbox is gone; take them away first")
    db.execute(SQL["create_identity"], (trap, secrets.randbits(32), now_ms))
    row: sqlite3.Row = db.execute(SQL["identity"]).fetchone()
    return row
