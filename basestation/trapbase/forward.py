"""The forwarding part: cut, upload, receipts, identifications, in one loop."""

from collections.abc import Sequence

from trapbase.custody.reconcile import Reconcile
from trapbase.cutter import Cutter
from trapbase.receipts import Receipts
from trapbase.results.poller import Poller
from trapbase.results.telling import Teller
from trapbase.upload import Uploader
from trapkit.errors import StorageError

CUT_EVERY_MS = 250  # looking for a batch
RETRY_MS = 5000  # after the disk refused


class Forward:
    """`uploader` and `receipts` are None on a base without a back end: batches then wait in the outbox. `reconcile`:
    what comes before all of it where the base came back from a backup; `results`: the steps that fetch
    identifications and tell them."""

    def __init__(
        self,
        cutter: Cutter,
        uploader: Uploader | None,
        receipts: Receipts | None,
        reconcile: Reconcile | None = None,
        results: Sequence[Poller | Teller] = (),
    ) -> None:
        self._reconcile = reconcile
        self._cutter = cutter
        self._uploader = uploader
        self._receipts = receipts
        self._results = results
        self._cut_ms = 0
        self._ready = False
        self.storage_error = ""

    def step(self, now_ms: int, utc_ms: int | None = None) -> bool:
        """One round; whether anything moved. `now_ms` must never go back, `utc_ms` is Unix time."""
        utc_ms = now_ms if utc_ms is None else utc_ms
        if self.storage_error and now_ms < self._cut_ms:
            return False
        try:
            moved = self._round(now_ms, utc_ms)
        except StorageError as error:
            # Nothing was promised to anybody; the same step comes again when there may be room.
            self.storage_error = str(error)
            self._cut_ms = now_ms + RETRY_MS
            return False
        self.storage_error = ""
        return moved

    def _round(self, now_ms: int, utc_ms: int) -> bool:
        moved = False
        if self._reconcile is not None and self._reconcile.pending():
            return self._reconcile.step(now_ms, utc_ms)
        if not self._ready:
            self._cutter.recover()
            self._ready = True
        if now_ms >= self._cut_ms:
            moved = self._cutter.step(utc_ms) is not None
            self._cut_ms = now_ms + (0 if moved else CUT_EVERY_MS)
        if self._uploader is not None:
            moved |= self._uploader.step(now_ms, utc_ms)
        if self._receipts is not None:
            moved |= self._receipts.step(now_ms, utc_ms)
        for part in self._results:
            moved |= part.step(now_ms, utc_ms)
        return moved
