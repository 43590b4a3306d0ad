"""Audit samples on the card: their files, their counts, and which go where room is short (the outbox's part for them).

A sample's file is written before the commit that names it and removed after the commit that lets it go, as a full
frame's is. First go copies that a stick has too; then samples of bursts far below the threshold; then the others. They
go by their draw alone, half of a cell's share at a time: never by age or by what they show (`trapcam.audit` says why).
"""

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from trapcam.audit import NEAR, Audited, Sample, halved_below
from trapcam.room import Room
from trapkit.database import load_queries, storage_error, transaction
from trapkit.errors import StorageError
from trapkit.files import FULL, refusal, write_atomically

SQL = load_queries("trapcam", "audit.sql")
AUDIT_FOLDER = "audit"
MAX_BYTES = 500_000_000


class AuditStore:
    """The samples of one outbox, on its connection; at most `max_bytes` of them.  Raises: as the outbox does."""

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, max_bytes: int = MAX_BYTES, room: Room | None = None
    ) -> None:
        self._db = connection
        self._folder = folder / AUDIT_FOLDER
        self._max_bytes = max_bytes
        self._room = room or Room(folder)

    def _rows(self, query: str, parameters: Any = ()) -> list[sqlite3.Row]:
        try:
            return self._db.execute(SQL[query], parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise storage_error(self._db, error) from error

    @property
    def key(self) -> bytes:
        """The draws' key (32 bytes)."""
        return bytes(self._rows("key")[0]["key"])

    def samples(self) -> list[dict[str, Any]]:
        """Every sample that lies here, with its cell."""
        return [dict(row) for row in self._rows("samples")]

    def cells(self) -> list[dict[str, Any]]:
        """Every cell with its counts."""
        return [dict(row) for row in self._rows("cells")]

    # --- a burst ------------------------------------------------------------------------------------------------

    def prepare(self, audited: Audited) -> bool:
        """Write the file of a burst that is a sample; whether it was. Others make room for it, or it does without.

        A reject must not keep the trap from going on: a card without room refuses the sample, never the burst.
        """
        sample = audited.sample
        while sample is not None and sample.draw < self._limit(audited):
            allowed = self._held_bytes() + len(sample.body) <= self._max_bytes
            if allowed and not self._room.lacking(len(sample.body)) and self._written(sample):
                return True
            if not self._drop_some(near=audited.cell.stratum == NEAR):
                return False
        return False

    def record(self, db: sqlite3.Connection, burst_no: int | None, audited: Audited, *, written: bool) -> None:
        """The rows of one burst, within the caller's transaction; `written`: what `prepare` said."""
        cell, sample = audited.cell, audited.sample
        (row,) = db.execute(SQL["add_burst"], _columns(audited)).fetchall()
        if sample is None or sample.draw >= row["probability"]:
            return
        db.execute(
            SQL["add_sample"],
            {
                "burst_no": burst_no,
                "cell": row["cell"],
                "draw": sample.draw,
                "bytes": len(sample.body),
                "sha256": sample.sha256,
                "file": _name(sample),
            },
        )
        if not written:
            # No room for it at all: the choice stays fair only if all that were as far down the line go with it.
            lowered = {"cell": row["cell"], "probability": halved_below(cell.share, sample.draw)}
            db.execute(SQL["lower"], lowered)
            db.execute(SQL["drop"], lowered)

    def _limit(self, audited: Audited) -> float:
        found = self._rows("limit", _columns(audited))
        return float(found[0]["probability"]) if found else audited.cell.share

    def _held_bytes(self) -> int:
        return int(self._rows("bytes")[0]["bytes"])

    def _written(self, sample: Sample) -> bool:
        path = self._folder / _name(sample)
        try:
            write_atomically(path, sample.body, mode=0o600)
        except OSError as error:
            if error.errno in FULL:
                return False
            raise StorageError(f"an audit sample cannot be written: {refusal(path.parent, error)}") from error
        return True

    # --- letting go ---------------------------------------------------------------------------------------------

    def make_room(self, wanted: int) -> int:
        """Let go of samples until `wanted` bytes are free, or none is left; the bytes that became free."""
        freed = 0
        while freed < wanted and (some := self._drop_some(near=True)):
            freed += some
        return freed

    def _drop_some(self, *, near: bool) -> int:
        """Let go of the next in line; the bytes that became free. near: whether those are in it too."""
        copied = self._rows("copied")
        if copied:
            return self._let_go([("mark_collected", (copied[0]["burst_no"],))], copied)
        widest = self._rows("widest")
        if not widest or (widest[0]["stratum"] == NEAR and not near):
            return 0
        lowered = {"cell": widest[0]["cell"], "probability": widest[0]["probability"]}
        while not (victims := self._rows("dropped_by", lowered)):
            lowered["probability"] /= 2
        return self._let_go([("lower", lowered), ("drop", lowered)], victims)

    def _let_go(self, changes: list[tuple[str, Any]], victims: Iterable[sqlite3.Row]) -> int:
        names = [row["file"] for row in victims]
        try:
            self.change(changes, names)
        except StorageError as error:
            if not for_want_of_room(error):
                raise
            # A disk without a free page cannot even note what it lets go of, so here the file goes first. After a power
            # cut in between, the row names nothing: it counts as not looked at, which makes the bound lower, not wrong.
            self._unlink(names)
            self.change(changes, names)
        return sum(int(row["bytes"]) for row in victims)

    def change(self, changes: list[tuple[str, Any]], gone: Iterable[str] = ()) -> None:
        """Named statements in one transaction; then the files `gone` are removed."""
        with transaction(self._db) as db:
            for query, parameters in changes:
                db.execute(SQL[query], parameters)
        self._unlink(gone)

    def _unlink(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(OSError):  # what cannot be removed now is nobody's file at the next start
                (self._folder / name).unlink()

    def sweep(self) -> None:
        """Remove files that no sample names. For the one program that writes here, before it begins."""
        named = {row["file"] for row in self._rows("files")}
        for path in self._folder.iterdir():
            if path.name not in named:
                path.unlink()


def for_want_of_room(error: StorageError) -> bool:
    """Whether a full disk was the cause, not a damaged or a locked one."""
    cause = error.__cause__
    full = getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    return full or (isinstance(cause, OSError) and cause.errno in FULL)


def _columns(audited: Audited) -> dict[str, Any]:
    cell = audited.cell
    names = ("season", "stratum", "share")
    return {name: getattr(cell, name) for name in names}


def _name(sample: Sample) -> str:
    return f"{sample.sha256.hex()}.age"
