"""A stick at a service visit, beside a running trap: everything without a receipt is copied there, and stays here.

Each file is written under a temporary name, synced, renamed and read back from the stick; so a stick that is pulled out
holds whole files. What it has already is compared and not written again. The most urgent come first.
"""

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from trapcam.audit_store import AuditStore
from trapcam.outbox import DATABASE, Outbox
from trapcam.outbox_rows import SQL as OUTBOX_SQL
from trapcam.room import Room
from trapkit import parcel
from trapkit.database import load_queries, open_database, transaction
from trapkit.errors import SetupError, StorageError
from trapkit.files import FULL, read_back, write_and_read_back
from trapkit.parcel import Entry, Index
from trapwire.errors import WireError
from trapwire.objects import Envelope

SQL = load_queries("trapcam", "carried.sql")
INDEX_EVERY = 256  # objects: how many an index may lack when the stick is pulled out; they are taken all the same

Tell = Callable[[int, int, int, int], None]
"""Objects done and in all, bytes done and in all."""


@dataclass(kw_only=True)
class Collected:
    """What lies on the stick now: `there` objects, `written` of them anew; `damaged`: those whose bytes here are not
    what was sealed, in words. `parcel` names the stick's folder among others."""

    folder: Path
    parcel: str
    there: int = 0
    written: int = 0
    damaged: list[str] = field(default_factory=list)


def collect(data: Path, trap: int, to: Path, now_ms: int, *, rest: bool = False, tell: Tell) -> Collected:
    """Copy the objects of the outbox in `data` to a parcel in `to`, and mark them as carried there.

    rest: only those that no stick has yet.
    Raises: SetupError: no outbox of this trap, no such folder; StorageError: a disk refused; a repeat goes on.
    """
    if not (data / DATABASE).is_file():
        raise SetupError(f"{data}: there is no outbox here; is 'data' the trap's?")
    if not to.is_dir():
        raise SetupError(f"{to}: there is no such folder; is the stick mounted there?")
    with closing(open_database(data / DATABASE, "trapcam")) as db:
        identity = db.execute(OUTBOX_SQL["identity"]).fetchone()
        if identity is None or identity["trap"] != trap:
            raise SetupError(f"{data}: this outbox is not of trap {trap}, as the setting `trap` says")
        room = Room(data)  # nothing is written here but marks
        outbox = Outbox(db, data, trap, identity["epoch"], AuditStore(db, data, room=room), room)
        rows = [tuple(row) for row in db.execute(SQL["collectable"], {"rest": rest})]
        try:
            stick = _Stick(to, trap, identity["epoch"], now_ms)
            try:
                _copy(outbox, stick, rows, tell)
            finally:  # what is on it is on it, however this ends
                with transaction(db):
                    marks = [(number, rung, stick.done.parcel, now_ms) for number, rung in stick.keys]
                    db.executemany(SQL["mark_carried"], marks)
        except OSError as error:
            raise StorageError(_words(to, error, len(rows))) from error
    return stick.done


def _copy(outbox: Outbox, stick: "_Stick", rows: list[tuple[int, int, int]], tell: Tell) -> None:
    size, of_bytes = 0, sum(row[2] for row in rows)
    for at, (number, rung, its_bytes) in enumerate(rows):
        tell(at, len(rows), size, of_bytes)
        size += its_bytes
        try:
            envelope = outbox.envelope(number, rung)
            data = envelope.encode() if envelope else b""
        except (StorageError, WireError) as error:  # gone, damaged, or larger than any base takes
            stick.done.damaged.append(str(error))
            continue
        if envelope is not None:  # a receipt may have let it go meanwhile
            stick.put(envelope, data)
    stick.write_index()
    tell(len(rows), len(rows), size, of_bytes)


class _Stick:
    """The parcel's folder.  Raises: OSError from everything."""

    def __init__(self, to: Path, trap: int, epoch: int, now_ms: int) -> None:
        folder = to / parcel.FOLDER / parcel.folder_name(trap, epoch)
        for each in (folder.parent, folder):
            each.mkdir(exist_ok=True)
            if not stat.S_ISDIR(each.lstat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, "Not a folder of its own", str(each))
        for leftover in folder.glob(".*.tmp"):  # of a stick that was pulled out
            with suppress(OSError):
                leftover.unlink()
        was = _read_index(folder / parcel.INDEX)
        ours = was if was and (was.trap, was.epoch) == (trap, f"{epoch:08x}") else None
        self._entries = {entry.file: entry for entry in ours.objects} if ours else {}
        self._index = Index(
            trap=trap,
            epoch=f"{epoch:08x}",
            parcel=ours.parcel if ours else secrets.token_hex(4),
            written_ms=now_ms,
        )
        self._unindexed = 0
        self.done = Collected(folder=folder, parcel=self._index.parcel)
        self.keys: list[tuple[int, int]] = []  # number and rung of what is there, whole

    def put(self, envelope: Envelope, data: bytes) -> None:
        """One object, encoded as `data`, whole and read back."""
        key = envelope.key
        path = self.done.folder / parcel.file_name(key.number, key.rung)
        if not _is_there(path, data):
            write_and_read_back(path, data)
            self.done.written += 1
        self.done.there += 1
        self.keys.append((key.number, key.rung))
        digest = hashlib.sha256(envelope.body).hexdigest()
        self._entries[path.name] = Entry(file=path.name, bytes=len(envelope.body), sha256=digest)
        self._unindexed += 1
        if self._unindexed >= INDEX_EVERY:
            self.write_index()

    def write_index(self) -> None:
        """What should be there; an object that somebody took away by hand is left out."""
        there = {entry.name for entry in os.scandir(self.done.folder)}
        objects = tuple(entry for name, entry in sorted(self._entries.items()) if name in there)
        index = Index(
            trap=self._index.trap,
            epoch=self._index.epoch,
            parcel=self._index.parcel,
            written_ms=self._index.written_ms,
            objects=objects,
        )
        write_and_read_back(self.done.folder / parcel.INDEX, parcel.encode_index(index))
        self._unindexed = 0


def _is_there(path: Path, data: bytes) -> bool:
    try:
        return path.stat(follow_symlinks=False).st_size == len(data) and read_back(path) == data
    except OSError:
        return False  # written anew; if the stick is broken, that says so


def _read_index(path: Path) -> Index | None:
    """Of an earlier visit with this stick; None where there is none, or none that can be read."""
    try:
        if path.stat(follow_symlinks=False).st_size > parcel.MAX_INDEX_BYTES:
            return None
        return parcel.decode_index(path.read_bytes())
    except OSError:
        return None


def _words(to: Path, error: OSError, objects: int) -> str:
    """What became of the stick, and what to do."""
    stays = "what is on it is whole and stays good, and nothing is deleted here"
    again = "say the same again and it goes on"
    if error.errno in FULL:
        return f"{to}: the stick is full: {stays}; take another one for the others of {objects} objects, with --rest"
    if error.errno == errno.EROFS:
        return f"{to}: the stick is read-only: is it locked or damaged? Mount it writable, or take another"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{error.filename or to}: {error.strerror}: mount the stick so that this program's user may write there"
    if error.errno in (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ESTALE, errno.ENOTCONN):
        return f"{to}: the stick is gone or broken ({error.strerror}): {stays}; put it in, mount it, and {again}"
    return f"{error.filename or to}: {error.strerror or error}: {stays}; {again}, or take another stick"
