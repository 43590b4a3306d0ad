"""Takes batches to the back end, a piece a step, resuming inside a file.

    state       what happens                                             next
    cut         the back end gives an address, stored before any byte    uploading
                it is too large for the back end                         two of half the size, cut
    uploading   all bytes are there                                      uploaded
                the back end does not know the address any more          cut
    uploaded    its receipts are verified and stored (receipts.py)       receipted
                the back end lost it                                     cut
    receipted   the end

Failures wait with a growing, random pause: for everything when nobody gets through (gate.py), for one batch when only
that one is refused; one that is refused again and again is set aside: tried once a day, or when a person asks for it.
After a failure or a restart the back end is asked where to go on, so that at most one piece is sent twice.
"""

from collections.abc import Callable
from contextlib import suppress

from trapbase.config import UploadSettings
from trapbase.cutter import Cutter
from trapbase.gate import Gate, Patience
from trapbase.model import Batch
from trapbase.outlet import CONFLICT, TOO_LARGE, Outlet, OutletError
from trapbase.store import Store
from trapkit.errors import StorageError

LAST_CONFLICT = 3  # wrong offsets in a row; then the batch gets a new address and is sent from its first byte
ASIDE_AFTER = 12  # refusals in a row,
ASIDE_AFTER_MS = 21_600_000  # over so long a time: the other side may mend what is wrong there
ASIDE_MS = 86_400_000  # its traps wait for its receipt, so nobody gives it up for good
LEAST_PIECE = 512  # a smaller one is not worth its headers
HEADERS = 1024  # of a piece and its answer, at most
LOOK_EVERY_MS = 1000  # what is more urgent than the batch under way waits no longer
LOOK_AHEAD = 64  # batches looked at in one step: more refused ones than that hold up the rest


class Uploader:
    """The step from `outbox/` to the back end; `chance` gives random numbers within 0–1; `gate`: when it may be used;
    None: one that forgets at the end."""

    def __init__(
        self,
        store: Store,
        cutter: Cutter,
        outlet: Outlet,
        settings: UploadSettings,
        chance: Callable[[], float],
        gate: Gate | None = None,
    ) -> None:
        self._store = store
        self._cutter = cutter
        self._outlet = outlet
        self._settings = settings
        self._chance = chance
        self.gate = gate or Gate(settings, chance)
        self._pokes = 0
        self._refused: dict[str, Patience] = {}
        self._offsets: dict[str, int] = {}
        self._remake: set[str] = set()
        self._going: list[Batch] = []
        self._look_ms = 0
        self.last_error = ""

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """Send at most one piece; whether something moved. `now_ms` must never go back."""
        may = self.gate.may_try(now_ms, utc_ms)
        if self.gate.pokes != self._pokes:
            self._pokes = self.gate.pokes
            self._refused.clear()
        if not may:
            return False
        try:
            return self._next(now_ms, utc_ms)
        finally:
            self.gate.settle(now_ms, utc_ms)

    def _next(self, now_ms: int, utc_ms: int) -> bool:
        # Not those that only wait for receipts: a back end that signs for nothing must not hold up the uploads.
        if not self._going or now_ms >= self._look_ms:
            self._look_ms = now_ms + LOOK_EVERY_MS
            self._going = self._store.batches_in(("cut", "uploading"), LOOK_AHEAD)
        going, self._going = self._going, []
        for batch in going:
            waits = self._refused.get(batch.batch_id)
            if waits is not None and now_ms < waits.until_ms:
                continue
            local = batch.batch_id in self._remake
            try:
                self._advance(batch, utc_ms)
            except OutletError as error:
                if error.status == TOO_LARGE:
                    try:
                        if self._is_there(batch, utc_ms) or self._halve(batch, str(error), utc_ms):
                            return True
                    except OutletError as unknown:
                        error = unknown
                self._fail(batch, error, now_ms)
                return False
            if not local:
                self.gate.worked()
            self.last_error = ""
            if batch.url is not None and batch.batch_id in self._offsets:
                self._going = [batch]  # the next piece of it, without asking the database again
            return True
        return False

    def lost(self, batch: Batch, now_ms: int) -> None:
        """The back end no longer has what it took: send it again, later."""
        self._store.forget_url(batch.batch_id)
        self._fail(batch, OutletError("back end: it has lost the batch", refused=True), now_ms)

    def done(self, batch_id: str) -> None:
        """The batch is signed for: nothing about it is needed any more."""
        self._refused.pop(batch_id, None)
        self._remake.discard(batch_id)
        with suppress(OSError):  # what cannot be removed now goes after the next start, or stays: it does no harm
            self._cutter.path(batch_id).unlink()

    def _advance(self, batch: Batch, utc_ms: int) -> None:
        name = batch.batch_id
        if name in self._remake:
            self._rebuild(name)
            return
        if batch.url is None:
            self._store.set_url(name, self._outlet.create(name, batch.size))
            self._offsets[name] = 0
            return
        offset = self._offsets.pop(name, None)
        if offset is None:
            offset = self._outlet.offset(batch.url)
        if offset is None:
            self._store.forget_url(name)
            raise OutletError("back end: it does not know the upload any more", refused=True)
        if offset < batch.size:
            offset = self._send(batch, batch.url, offset, self.gate.room(utc_ms))
        elif offset > batch.size:
            self._store.forget_url(name)
            raise OutletError(f"back end: says it has {offset} of {batch.size} bytes", refused=True)
        if offset == batch.size:
            self._store.set_uploaded(name, utc_ms)
        else:
            self._offsets[name] = offset

    def _is_there(self, batch: Batch, utc_ms: int) -> bool:
        """Whether the back end signs for a batch whose address went wrong: halves of it would be there twice."""
        if self._outlet.receipts(batch.batch_id) is None:
            return False
        self._store.set_there(batch.batch_id, utc_ms)
        self._offsets.pop(batch.batch_id, None)
        self._refused.pop(batch.batch_id, None)
        return True

    def _halve(self, batch: Batch, error: str, utc_ms: int) -> bool:
        """Cut a batch that is too large in two; whether it could be."""
        try:
            halves = self._cutter.halve(batch.batch_id, utc_ms)
        except StorageError:
            return False  # its objects are damaged, or the disk is full: it waits like any refused one
        if not halves:
            return False
        self._offsets.pop(batch.batch_id, None)
        self._refused.pop(batch.batch_id, None)
        self._remake.discard(batch.batch_id)
        self.last_error = f"{error}. It was cut in two"
        for name in halves:
            self._store.set_batch_error(name, self.last_error, "upload_failures")
        return True

    def _rebuild(self, name: str) -> None:
        try:
            self._cutter.rebuild(name)
        except StorageError as error:
            # Its objects are damaged here: this batch waits for a person, the others go on.
            raise OutletError(str(error), refused=True) from error
        self._remake.discard(name)

    def _send(self, batch: Batch, url: str, offset: int, room: int | None) -> int:
        most = (
            self._settings.chunk_bytes
            if room is None
            else min(self._settings.chunk_bytes, max(LEAST_PIECE, room - HEADERS))
        )
        try:
            # Without a buffer: it is asked for one large piece.
            with self._cutter.path(batch.batch_id).open("rb", buffering=0) as file:
                file.seek(offset)
                piece = file.read(min(most, batch.size - offset))
        except OSError as error:
            # Gone, unreadable, or no file at all: that is this batch's trouble, and it is made again from its objects.
            raise OutletError(f"outbox: the batch's file cannot be read: {error.strerror}", refused=True) from error
        if not piece:
            raise OutletError("outbox: the batch's file was too short", refused=True)
        reached = self._outlet.send(url, offset, piece)
        if not offset < reached <= offset + len(piece):
            raise OutletError(f"back end: says it has {reached} bytes after {offset} + {len(piece)}")
        return reached

    def _fail(self, batch: Batch, error: OutletError, now_ms: int) -> None:
        self._offsets.pop(batch.batch_id, None)
        self.last_error = str(error)
        if error.refused:
            patience = self._refused.setdefault(batch.batch_id, Patience(self._settings, self._chance))
            # Only what the back end itself refuses: a disk here that has no room is asked again soon.
            aside = bool(error.status) and patience.is_over(ASIDE_AFTER, ASIDE_AFTER_MS, now_ms)
            patience.failed(now_ms, ASIDE_MS if aside else 0)
            if aside:
                self.last_error += f". Set aside after {patience.failures} refusals, and tried once a day"
            if error.status != CONFLICT or patience.failures >= LAST_CONFLICT:
                # Whatever was wrong with it, the next try starts from the objects and not from the same file.
                self._remake.add(batch.batch_id)
        else:
            self.gate.failed(now_ms, self.last_error, error.wait_ms)
        self._store.set_batch_error(batch.batch_id, self.last_error, "upload_failures")
