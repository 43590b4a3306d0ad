"""The step of a folder, on a stick say: batches there, the back end's signed receipts back (BACKEND.md, "By stick").

    PATH/batches/<batch id>.zip, <batch id>.zip.sha256      written here, taken away when they are signed for
    PATH/receipts/<batch id>.json                           written by the back end, taken away when they are taken

`PATH` is made once, by a person, on the stick: where it is missing there is no stick, and nothing is written onto the
disk that lies under it. Other bases' batches may lie beside; what this base does not know it does not touch.
"""

import errno
import hashlib
import os
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from trapbase.gate import Gate
from trapbase.model import Batch
from trapbase.outlet_settings import OutletSettings
from trapbase.outlets.queue import OutletQueue
from trapbase.receipts import BadReceiptError, accept
from trapbase.store import Store
from trapkit.errors import StorageError
from trapkit.files import refusal, write_and_read_back

BATCHES, RECEIPTS = "batches", "receipts"
BATCH_NAME = re.compile(r"([0-9a-f]{64})\.zip(\.sha256)?")
RECEIPT_NAME = re.compile(r"([0-9a-f]{64})\.json")
MAX_BATCHES = 4096  # open ones looked at; a base has a few in a day
MAX_NAMES = 20_000  # of files looked at in one folder of a stick
MAX_RECEIPT_BYTES = 1 << 20
SPARE_BYTES = 1 << 20  # left free on the stick, for receipts
RETRY_MS = 5000  # after the base's own disk refused


class FolderOutlet:
    """`outbox`: where a batch's file lies; `key`: the back end's public key; `free`: bytes free below a path."""

    def __init__(
        self,
        settings: OutletSettings,
        queue: OutletQueue,
        store: Store,
        outbox: Callable[[str], Path],
        key: bytes,
        gate: Gate,
        free: Callable[[Path], int],
    ) -> None:
        self._path = Path(settings.path)
        self._poll_ms = round(settings.poll_s * 1000)
        self._after_ms = round(settings.after_s * 1000)
        self._queue = queue
        self._store = store
        self._outbox = outbox
        self._key = key
        self._gate = gate
        self._free = free
        self._next_ms = 0
        self._begun = False
        self._bad: dict[str, bytes] = {}  # digests of receipts that were refused
        self._refusals: dict[str, str] = {}
        self.storage_error = ""
        self.last_error = ""

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """Take receipts, then write one batch; whether anything moved. `now_ms` must never go back."""
        if now_ms < self._next_ms:
            return False
        self._next_ms = now_ms + self._poll_ms
        try:
            if not self._begun:
                self._queue.begin(everything=True)
                self._begun = True
            moved = self._round(now_ms, utc_ms)
            self._gate.settle(now_ms, utc_ms)
        except StorageError as error:
            self.storage_error = str(error)
            self._next_ms = now_ms + RETRY_MS
            return False
        self.storage_error = ""
        if moved:
            self._next_ms = now_ms  # there may be more
        return moved

    def _round(self, now_ms: int, utc_ms: int) -> bool:
        if not self._path.is_dir():
            # A stick is away most of the time; the next one starts afresh.
            self.last_error = f"{self._path}: is not there; plug the stick in, or make this folder on it"
            self._gate.worked(self.last_error)
            return False
        if not self._gate.may_try(now_ms, utc_ms):
            return False
        try:
            moved = self._take(utc_ms) | self._give(utc_ms)
        except OSError as error:
            # Pulled out, full, read-only or worn: nothing is lost, for it is all here still.
            self.last_error = refusal(self._path, error)
            self._gate.failed(now_ms, self.last_error)
            return False
        self.last_error = "; ".join(f"receipt {name[:16]}: {why}" for name, why in sorted(self._refusals.items()))[:400]
        self._gate.worked(self.last_error)
        return moved

    def _take(self, utc_ms: int) -> bool:
        """Receipts of batches that wait for theirs."""
        self._refusals.clear()
        names = _names(self._path / RECEIPTS, RECEIPT_NAME)
        waiting = self._store.batch_files_needed() & names.keys() if names else set()
        taken = False
        for name in sorted(waiting):
            path = self._path / RECEIPTS / f"{name}.json"
            data = _read(path)
            digest = hashlib.sha256(data).digest()
            try:
                accept(self._store, name, data, self._key, utc_ms)
            except BadReceiptError as error:
                self._refusals[name] = f"{error}; nothing is let go"
                if self._bad.get(name) != digest:
                    self._bad[name] = digest
                    self._store.set_batch_error(name, f"back end's receipt, by {path}: {error}", "bad_receipts")
                continue
            taken = True
            self._bad.pop(name, None)
            with suppress(OSError):  # else it goes when the base starts again
                self._outbox(name).unlink()
        return taken

    def _give(self, utc_ms: int) -> bool:
        """Write the oldest open batch that is not there; take away what has been signed for."""
        folder = self._path / BATCHES
        batches = self._store.batches_in(("cut", "uploading", "uploaded"), MAX_BATCHES)
        there = _names(folder, BATCH_NAME)
        self._clear({b.batch_id for b in batches}, there)
        for batch in batches:
            late = utc_ms - batch.cut_ms >= self._after_ms or batch.cut_ms > utc_ms
            if late and there.get(batch.batch_id) != {"", ".sha256"}:
                if self._write(folder, batch):
                    self._queue.count_sent(utc_ms)
                    return True
            elif late and _size(folder / f"{batch.batch_id}.zip") != batch.size and self._write(folder, batch):
                return True
        return False

    def _write(self, folder: Path, batch: Batch) -> bool:
        """The file first, then its digest, which says that it is whole. False when its file is not there just now."""
        try:
            data = self._outbox(batch.batch_id).read_bytes()
        except OSError:
            return False  # signed for a moment ago, or being made again
        if len(data) != batch.size:
            return False
        if self._free(self._path) < len(data) + SPARE_BYTES:
            raise OSError(errno.ENOSPC, f"no room for the {len(data)} bytes of a batch")
        folder.mkdir(exist_ok=True)
        (self._path / RECEIPTS).mkdir(exist_ok=True)
        name = f"{batch.batch_id}.zip"
        with suppress(FileNotFoundError):
            (folder / f"{name}.sha256").unlink()
        write_and_read_back(folder / name, data)
        write_and_read_back(folder / f"{name}.sha256", f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode())
        return True

    def _clear(self, still_open: set[str], there: dict[str, set[str]]) -> None:
        """Remove what this base has receipts for, as far as the stick lets it."""
        receipts = _names(self._path / RECEIPTS, RECEIPT_NAME)
        signed = self._store.receipted((there.keys() | receipts.keys()) - still_open)
        for name in signed:
            for path in (
                self._path / BATCHES / f"{name}.zip.sha256",
                self._path / BATCHES / f"{name}.zip",
                self._path / RECEIPTS / f"{name}.json",
            ):
                with suppress(OSError):
                    path.unlink()


def _names(folder: Path, pattern: re.Pattern[str]) -> dict[str, set[str]]:
    """Batch ids of plain files there, with the ends of their names; nothing where there is no folder."""
    found: dict[str, set[str]] = {}
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in islice(entries, MAX_NAMES):
            match = pattern.fullmatch(entry.name)
            if match and entry.is_file(follow_symlinks=False):
                found.setdefault(match[1], set()).add((match[2] if pattern is BATCH_NAME else None) or "")
    return found


def _read(path: Path) -> bytes:
    """A receipt's bytes, no more than one can have, and through no link."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(MAX_RECEIPT_BYTES + 1)


def _size(path: Path) -> int:
    return path.stat(follow_symlinks=False).st_size


def free_bytes(path: Path) -> int:
    """What a program may still write below `path`.  Raises: OSError."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize
