"""The outbox: from its commit on a sighting is not lost (SQLite, and files for full frames; the adapter of both).

A full frame's file is written, fsynced and renamed before the commit that names it, and removed after the commit
that lets it go: a crash in between leaves a file that nobody names, which the next start removes. The samples of
rejected bursts lie beside it (`audit_store`), and give way where the card is full.
"""

import hashlib
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from trapcam.aside import finish, set_aside
from trapcam.audit_store import AUDIT_FOLDER, MAX_BYTES, AuditStore, for_want_of_room
from trapcam.note_store import NoteStore
from trapcam.outbox_rows import SQL, add_burst, add_event, full_name, fulls_of, size_of
from trapcam.receipts import ReceiptOutcome, answer, check_receipt, signature_of
from trapcam.record import Outcome, Withheld, without
from trapcam.room import Room, free_bytes
from trapcam.seal import SealedObject
from trapcam.states import DELETED, DELIVERED, WANTED_PRIORITY
from trapkit.database import is_sound, open_database, storage_error, transaction
from trapkit.errors import DamagedError, SetupError, StorageError
from trapkit.files import fsync_folder, refusal, write_atomically
from trapwire.objects import ALERT, CROP, FRAME, FULLS, NOTE, SCENE, Envelope, ObjectKey

DATABASE = "outbox.sqlite"
FULL_FOLDER = "full"
OWN = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", FULL_FOLDER, AUDIT_FOLDER)  # all that an outbox is


class Outbox:
    """The objects of one trap and epoch. Build it with `open_outbox`.

    Every method that changes something returns when the change is durable.  Raises: StorageError when the disk
    refuses; nothing has changed then, and the call may be repeated.  `missing`: full frames that it names and whose
    files were gone when it was opened. `audit`: the samples of rejected bursts; `notes`: what belongs to no sighting;
    `room`: what large files may take; `aside`: where a damaged outbox was moved to that this one stands in for.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        folder: Path,
        trap: int,
        epoch: int,
        audit: AuditStore,
        room: Room,
        missing: int = 0,
        aside: Path | None = None,
    ) -> None:
        self._db = connection
        self._folder = folder
        self.audit = audit
        self.notes = NoteStore(connection)
        self.trap = trap
        self.epoch = epoch
        self.missing = missing
        self.aside = aside
        self._room = room

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

        An outcome whose position is already past is a repeat: it changes nothing and returns None. Where room is
        short, audit samples give way until it fits or none is left; then full frames are left out, the best last, and
        counted at their event. What is left of a sighting is small, and may use the reserve.
        Raises: StorageError; ValueError for a position that was skipped to, or of a source never declared.
        """
        if outcome.position < self.position(outcome.source):
            return None  # and its files stay as they are, whatever the card says now
        fulls = fulls_of(outcome)
        keep = self._fitting(fulls)
        first: StorageError | None = None
        while True:
            try:
                number = self._commit(outcome, fulls[keep:])
            except StorageError as error:
                if not for_want_of_room(error):
                    raise first or error from (first or error).__cause__
                if self.audit.make_room(size_of(outcome)):
                    continue
                first = first or error  # of the large file that did not fit: there room is wanted
                if not keep:
                    raise first from first.__cause__
                keep -= 1
                self._unlink(full_name(sealed) for sealed in fulls[keep:])  # written for nothing: its room counts now
            else:
                if left_out := sum(len(sealed.body) for sealed in fulls[keep:]):
                    self._room.left_out(left_out, refused=first is not None)
                elif fulls:
                    self._room.taken()
                return number

    def _fitting(self, fulls: Sequence[SealedObject]) -> int:
        """How many of them fit beside the reserve, after audit samples have given way."""
        keep = len(fulls)
        while keep and (lacking := self._room.lacking(sum(len(sealed.body) for sealed in fulls[:keep]))):
            if not self.audit.make_room(lacking):
                keep -= 1
        return keep

    @property
    def shortage(self) -> str:
        """What is not kept for want of room, in words for the operator; empty while all is kept."""
        return self._room.shortage

    def _commit(self, outcome: Outcome | Withheld, left_out: Sequence[SealedObject]) -> int | None:
        if isinstance(outcome, Outcome):
            outcome = without(outcome, left_out)
        sighting = outcome.sighting if isinstance(outcome, Outcome) else None
        audited = outcome.audited if isinstance(outcome, Outcome) else None
        for sealed in fulls_of(outcome):
            if sealed not in left_out:
                self._write_full(sealed)
        written = audited is not None and self.audit.prepare(audited)
        with transaction(self._db) as db:
            if db.execute(SQL["advance"], (outcome.source, outcome.position)).rowcount != 1:
                self._check_repeat(outcome)
                return None
            db.execute(SQL["count"], ("frames_in", outcome.frames))
            if isinstance(outcome, Outcome):
                burst_no = add_burst(db, outcome)
                if outcome.scene is not None:
                    self.notes.record_scene(db, outcome.scene, outcome.trigger.at_ms)
                if audited is not None:
                    self.audit.record(db, burst_no, audited, written=written)
                return None if sighting is None else add_event(db, burst_no, sighting, left_out)
            db.execute(SQL["count"], ("frames_withheld", outcome.frames))
            if outcome.hour_ms is not None:
                db.execute(SQL["count_people"], (outcome.hour_ms, outcome.category))
        return None

    def _check_repeat(self, outcome: Outcome | Withheld) -> None:
        position = self.position(outcome.source)
        if outcome.position >= position:
            raise ValueError(f"{outcome.source} stands at {position}, the outcome is of {outcome.position}")

    def _write_full(self, sealed: SealedObject) -> None:
        path = self._folder / FULL_FOLDER / full_name(sealed)
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

        One that was delivered goes again: a base that asks for it came back from a backup and has it no more.
        False when it is not here, goes by no radio, or is on its way already.
        """
        if rung not in (ALERT, CROP, FRAME, NOTE, SCENE):
            return False
        with transaction(self._db) as db:
            return db.execute(SQL["want"], (WANTED_PRIORITY, number, rung)).rowcount == 1

    def held_counts(self) -> tuple[int, int]:
        """Objects without a receipt, and full frames that nobody has collected."""
        row = self._rows("held_counts", {"first": FULLS[0], "last": FULLS[-1]})[0]
        return row["unreceipted"], row["full_frames_held"]

    def unjudged_bytes(self) -> int:
        """What bursts that no model judged take now.  Raises: StorageError."""
        return int(self._rows("unjudged_bytes")[0]["bytes"])

    # --- receipts -----------------------------------------------------------------------------------------------

    def apply_receipt(self, envelope: Envelope, public_key: bytes, now_ms: int) -> ReceiptOutcome:
        """Let go of exactly the objects that a receipt names, if the back end signed it for these very bytes.

        A refused one (unknown objects, wrong signature, another trap) changes nothing and is counted; so are objects
        of strangers in a whole one.
        """
        receipt = check_receipt(envelope, self.trap, self.epoch, self._digest, public_key)
        if receipt is None:
            if self._rows("receipt_signed", (signature_of(envelope, self.trap, self.epoch),)):
                return ReceiptOutcome.REPEATED  # the short form of one that came whole since
            self.count("receipts_refused")
            return ReceiptOutcome.REFUSED
        sha256 = hashlib.sha256(envelope.body).digest()
        if self._rows("receipt", (sha256,)):
            return ReceiptOutcome.REPEATED
        files = [row["file"] for key in receipt.objects for row in self._rows("object", key) if row["file"]]
        with transaction(self._db) as db:
            db.executemany(SQL["mark_deleted"], receipt.objects)
            db.execute(SQL["add_receipt"], (sha256, len(receipt.objects), receipt.signature, now_ms))
            if receipt.strangers:
                db.execute(SQL["count"], ("receipt_strangers", receipt.strangers))
        self._unlink(files)
        return ReceiptOutcome.PARTLY if receipt.strangers else ReceiptOutcome.APPLIED

    def answer(self, envelope: Envelope, outcome: ReceiptOutcome) -> list[ObjectKey]:
        """What the base is told of a receipt's outcome: `trapcam.receipts.answer`."""
        return answer(envelope, outcome, self.trap, self.epoch)

    def _unlink(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(OSError):  # what cannot be removed now is nobody's file at the next start
                (self._folder / FULL_FOLDER / name).unlink()

    def _digest(self, number: int, rung: int) -> bytes | None:
        found = self._rows("object", (number, rung))
        return found[0]["sha256"] if found else None

    def tell(self, part: str, says: str) -> None:
        """What is true of a part of the trap from now on, for `trapcam status`; written only where it is new."""
        if not any(row["says"] == says for row in self._rows("told", (part,))):
            with transaction(self._db) as db:
                db.execute(SQL["tell"], (part, says))

    def told(self, part: str) -> str:
        """What was told of a part; empty where nothing was."""
        return next((str(row["says"]) for row in self._rows("told", (part,))), "")

    def totals(self) -> tuple[int, int]:
        """Bursts that left a row here, and sightings among them."""
        (row,) = self._rows("totals")
        return row["bursts"], row["sightings"]

    def unreceipted(self) -> list[tuple[int, int, int, bytes]]:
        """(number, rung, bytes, SHA-256) of every object without a receipt, most urgent first."""
        return [tuple(row) for row in self._rows("unreceipted")]

    def count(self, name: str, by: int = 1) -> None:
        """Add to a durable counter."""
        with transaction(self._db) as db:
            db.execute(SQL["count"], (name, by))


def open_outbox(
    folder: Path,
    trap: int,
    now_ms: int,
    *,
    audit_bytes: int = MAX_BYTES,
    reserve_bytes: int = 0,
    free: Callable[[Path], int] = free_bytes,
) -> Outbox:
    """The outbox in `folder`; a blank one draws a new epoch. Files that no object names are removed.

    audit_bytes: how much room audit samples may take. Those whose outbox is gone can no longer be counted, and go too.
    reserve_bytes: what large files leave free on the card; free: asks it.
    A damaged outbox, and full frames whose outbox is gone, are set aside (`trapcam.aside`), and a new epoch begins.

    Raises: SetupError when the folder cannot be used or belongs to another trap; StorageError when the disk refuses.
    """
    aside = finish(folder, OWN)
    room = Room(folder, reserve_bytes, free)
    try:
        return _open(folder, trap, now_ms, audit_bytes, room, aside)
    except DamagedError:
        aside = set_aside(folder, OWN)
    return _open(folder, trap, now_ms, audit_bytes, room, aside)


def put_aside_if_damaged(folder: Path) -> Path | None:
    """For a program that met a damaged outbox while it ran, and has closed it: where it was set aside.

    None: a second look at every page finds nothing wrong.  Raises: SetupError, StorageError.
    """
    return None if is_sound(folder / DATABASE) else set_aside(folder, OWN)


def _open(folder: Path, trap: int, now_ms: int, audit_bytes: int, room: Room, aside: Path | None) -> Outbox:
    try:
        full = folder / FULL_FOLDER
        for each in (full, folder / AUDIT_FOLDER):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
        fsync_folder(folder)
        fsync_folder(folder.parent)
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
        audit = AuditStore(db, folder, audit_bytes, room)
        audit.sweep()
        present = {path.name for path in full.iterdir()}
        for name in present - named:
            (full / name).unlink()
    except OSError as error:
        db.close()
        where = Path(error.filename) if error.filename else folder
        raise StorageError(f"the outbox cannot be opened: {refusal(where, error)}") from error
    except BaseException:
        db.close()
        raise
    return Outbox(db, folder, trap, row["epoch"], audit, room, missing=len(named - present), aside=aside)


def _create_identity(db: sqlite3.Connection, full: Path, trap: int, now_ms: int) -> sqlite3.Row:
    """A new epoch; never over full frames whose outbox is gone: they may be the only ones."""
    orphans = sum(path.suffix == ".age" for path in full.iterdir())
    if orphans:
        raise DamagedError(f"{full}: {orphans} full frames lie here and their outbox is gone")
    db.execute(SQL["create_identity"], (trap, secrets.randbits(32), now_ms))
    row: sqlite3.Row = db.execute(SQL["identity"]).fetchone()
    return row
