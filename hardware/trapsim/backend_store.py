"""The reference back end without its HTTP: uploads that survive a kill, packages checked, receipts signed.

Virtual-time tests call it directly. An upload's truth is its row: bytes in the file beyond it were never promised.
"""

import os
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from trapkit.database import load_queries, open_database, transaction
from trapkit.files import fsync_folder
from trapsim.backend_error import UploadError
from trapsim.backend_package import BadPackageError, Identity, read_package, read_rows
from trapsim.backend_results import Results
from trapwire.receipt import statement

MAX_BATCH_BYTES = 64 * 1024 * 1024
PAGE = 1000  # batches in one answer
MAX_UPLOADS = 256  # remembered; beyond it the oldest is forgotten, and its base starts that batch again


class BackendStore:
    """`folder`: where it keeps everything; `signing_key`: 32-byte Ed25519 seed; `new_id`: names for uploads."""

    def __init__(
        self, folder: Path, signing_key: bytes, new_id: Callable[[], str] = lambda: secrets.token_hex(16)
    ) -> None:
        self._uploads = folder / "uploads"
        self._packages = folder / "packages"
        for path in (self._uploads, self._packages):
            path.mkdir(parents=True, exist_ok=True)
        fsync_folder(folder)
        self._key = SigningKey(signing_key)
        self._new_id = new_id
        self._db = open_database(folder / "backend.sqlite3", "trapsim")
        self._sql = load_queries("trapsim")
        self.results = Results(self._db, self._key)
        self._recover()

    def close(self) -> None:
        self._db.close()

    def _recover(self) -> None:
        """Finish what was whole when the process died, remove files that no row knows."""
        rows = self._db.execute(self._sql["uploads"]).fetchall()
        for path in self._uploads.iterdir():
            if path.name not in {row["id"] for row in rows}:
                path.unlink()
        for row in rows:
            if row["state"] == "open" and row["offset_bytes"] == row["size"]:
                self._complete(row)

    def create(self, batch_id: str, size: int) -> str:
        """A new upload's id.  Raises: UploadError 400, 413."""
        if len(batch_id) != 64 or set(batch_id) - set("0123456789abcdef"):
            raise UploadError(400, "batch_id is not 64 hexadecimal digits")
        if size < 1:
            raise UploadError(400, "an upload has at least one byte")
        if size > MAX_BATCH_BYTES:
            raise UploadError(413, f"an upload has at most {MAX_BATCH_BYTES} bytes")
        name = self._new_id()
        with transaction(self._db) as db:
            (count,) = db.execute(self._sql["count_uploads"]).fetchone()
            if count >= MAX_UPLOADS:
                (idle,) = db.execute(self._sql["drop_idle_upload"]).fetchone()
                (self._uploads / idle).unlink(missing_ok=True)
            db.execute(self._sql["add_upload"], (name, batch_id, size))
        return name

    def offset(self, name: str) -> tuple[int, int] | None:
        """(durable bytes, size) of an upload; None when it is unknown or was refused."""
        row = self._row(name)
        return None if row is None or row["state"] == "refused" else (row["offset_bytes"], row["size"])

    def append(self, name: str, offset: int, data: bytes) -> int:
        """Make `data` durable at `offset`; the new offset. The last byte completes and checks the package.

        Raises: UploadError 404, 409 (offset), 410 (refused before), 413, 422 (refused now).
        """
        row = self._row(name)
        if row is None:
            raise UploadError(404, "no such upload")
        if row["state"] == "refused":
            raise UploadError(410, row["reason"])
        if offset != row["offset_bytes"]:
            raise UploadError(409, f"the offset is {row['offset_bytes']}")
        reached = offset + len(data)
        if reached > row["size"]:
            raise UploadError(413, f"the upload has {row['size']} bytes")
        if data:
            path = self._uploads / name
            with path.open("r+b" if path.exists() else "w+b") as file:
                file.truncate(offset)  # what a crash left beyond the row
                file.seek(offset)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fsync_folder(self._uploads)
            with transaction(self._db) as db:
                db.execute(self._sql["set_offset"], (reached, name))
        if reached == row["size"] and row["state"] == "open":
            refused = self._complete(row)
            if refused:
                raise UploadError(422, refused)
        return reached

    def _row(self, name: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(self._sql["upload"], (name,)).fetchone()
        return row

    def _complete(self, row: sqlite3.Row) -> str:
        """Check and keep a whole package; why it was refused, or nothing."""
        name, batch_id = row["id"], row["batch_id"]
        part, package = self._uploads / name, self._packages / f"{batch_id}.zip"
        # After a crash between the rename and the commit the package has its final name already.
        path = part if part.exists() else package
        try:
            objects = read_package(path, batch_id)
            if any(self._contradicts(identity) for identity in objects):
                raise BadPackageError("an object is here already with other bytes")
        except BadPackageError as error:
            with transaction(self._db) as db:
                db.execute(self._sql["refuse_upload"], (str(error)[:500], name))
                db.execute(self._sql["count"], (1, "refused"))
            part.unlink(missing_ok=True)
            return str(error)
        if path == part:
            part.replace(package)
            fsync_folder(self._packages)
        seen = read_rows(package, "observations.csv")
        with transaction(self._db) as db:
            self._record(db, row, objects)
            self.results.identify(db, seen)
            db.execute(self._sql["complete_upload"], (name,))
        return ""

    def _contradicts(self, identity: Identity) -> bool:
        row = self._db.execute(self._sql["object"], identity[:4]).fetchone()
        return row is not None and row["sha256"] != identity[4]

    def _record(self, db: sqlite3.Connection, row: sqlite3.Row, objects: list[Identity]) -> None:
        batch_id = row["batch_id"]
        if db.execute(self._sql["batch"], (batch_id,)).fetchone() is not None:
            db.execute(self._sql["count"], (1, "repeated_batches"))
            return
        db.execute(self._sql["add_batch"], (batch_id, row["size"], len(objects)))
        for identity in objects:
            db.execute(self._sql["add_batch_object"], (batch_id, *identity))
            if db.execute(self._sql["add_object"], (*identity, batch_id)).rowcount != 1:
                db.execute(self._sql["count"], (1, "duplicated"))

    def receipts(self, batch_id: str) -> dict[str, Any] | None:
        """The signed receipts of a batch, as JSON would carry them; None while it is not complete."""
        rows = self._db.execute(self._sql["batch_objects"], (batch_id,)).fetchall()
        if not rows:
            return None
        outboxes: dict[tuple[int, int], list[sqlite3.Row]] = {}
        for row in rows:
            outboxes.setdefault((row["trap"], row["epoch"]), []).append(row)
        receipts = []
        for (trap, epoch), own in outboxes.items():
            signed = self._key.sign(statement(trap, epoch, [(r["number"], r["rung"], r["sha256"]) for r in own]))
            named = [{"number": r["number"], "rung": r["rung"], "sha256": r["sha256"].hex()} for r in own]
            receipts.append({"trap": trap, "epoch": epoch, "objects": named, "signature": signed.signature.hex()})
        return {"batch_id": batch_id, "receipts": receipts}

    def batches(self, after: str) -> tuple[list[str], str | None]:
        """Ids of batches that are complete and durable, at most `PAGE`, in the order in which they came, and the cursor
        of the next page, None behind the last.  Raises: UploadError 400 where `after` is no cursor of ours."""
        if after and not (after.isascii() and after.isdigit() and len(after) < 16):
            raise UploadError(400, "after is no cursor of this back end")
        rows = self._db.execute(self._sql["batches_after"], (int(after or 0), PAGE)).fetchall()
        return [row["batch_id"] for row in rows], str(rows[-1]["place"]) if len(rows) == PAGE else None

    def stats(self) -> dict[str, int]:
        """Counts, for people and tests."""
        return {row["name"]: row["value"] for row in self._db.execute(self._sql["stats"])}
