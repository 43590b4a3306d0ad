"""After a restore: ask the back end what it has, before a batch is cut or sent.

    list      every batch that it holds (BACKEND.md), a page a step, and the open ones of the backup
    adopt     of each that is not signed for here, its receipts: verified, then what they name is signed for here too;
              what is not here is noted as lying at the back end alone
    done      batches go again

So nothing goes there twice, and traps that did not hear of a receipt hear of it now. The way's hours, day's bytes and
pauses (`trapbase.gate`) hold as for uploads: a list of years is long, and the link may be paid by the byte. Nobody
knows an answer's size before: the last one of a day may go over what was left. A back end without such a list is
asked for the open batches alone; the rest goes again, and it drops what it has by its key.
"""

import re
from collections import deque
from collections.abc import Collection

from trapbase.custody.restore_store import RestoreStore
from trapbase.gate import Gate
from trapbase.outlet import Catalogue, OutletError
from trapbase.receipts import BadReceiptError, read_receipts

RETRY_MS = 10_000
MAX_PAGES = 100_000  # of a list that does not end
MAX_CURSOR_CHARS = 200
BATCH_ID = re.compile(r"[0-9a-f]{64}")
NO_LIST = (404, 405, 501)  # a back end that has no such list


class Reconcile:
    """The step between a restore and the first batch. `outlet`: the back end, None where there is none; `key`: its
    Ed25519 public key; `traps`: those of the settings, beside those of whom the backup has something; `gate`: when the
    back end may be asked, None: always."""

    def __init__(
        self,
        store: RestoreStore,
        outlet: Catalogue | None,
        key: bytes,
        traps: Collection[int],
        gate: Gate | None = None,
    ) -> None:
        self._store = store
        self._gate = gate
        self._traps = set(traps)
        self._outlet = outlet
        self._key = key
        self._pending: bool | None = None
        self._queue: deque[str] = deque()
        self._cursor: str | None = ""
        self._pages = 0
        self._retry_ms = 0
        self.adopted = 0
        self.elsewhere = 0
        self.trouble = ""

    def pending(self) -> bool:
        """Whether batches must wait for it.  Raises: StorageError."""
        if self._pending is None:
            self._pending = self._store.is_unchecked()
            if self._pending:
                self._queue.extend(self._store.open_batches())
                self._traps |= self._store.traps()
        return self._pending

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """One page or one batch; whether anything moved. `now_ms` must never go back.  Raises: StorageError."""
        if not self.pending() or now_ms < self._retry_ms:
            return False
        if self._outlet is None or (self._cursor is None and not self._queue):
            self._store.set_checked(utc_ms)
            self._pending, self.trouble = False, ""
            return True
        if self._gate is not None and not self._gate.may_try(now_ms, utc_ms):
            return False
        try:
            self._ask(self._outlet, utc_ms)
        except OutletError as error:
            self.trouble = f"after the restore nothing is sent before the back end has said what it has: {error}"
            self._retry_ms = now_ms + RETRY_MS
            if self._gate is not None and not error.refused:
                self._gate.failed(now_ms, self.trouble, error.wait_ms)
            return False
        finally:
            if self._gate is not None:
                self._gate.settle(now_ms, utc_ms)
        return True

    def _ask(self, outlet: Catalogue, utc_ms: int) -> None:
        """One question, about the next page or the next batch."""
        if self._cursor is not None:
            self._list(outlet, self._cursor)
        else:
            self._adopt(outlet, self._queue[0], utc_ms)
            self._queue.popleft()
        self.trouble = ""
        if self._gate is not None:
            self._gate.worked()

    def _list(self, outlet: Catalogue, cursor: str) -> None:
        try:
            found = outlet.batches(cursor)
        except OutletError as error:
            if error.status not in NO_LIST:
                raise
            self._cursor = None
            return
        ids, following = found
        known = set(self._queue)
        self._queue.extend(
            i for i in ids if BATCH_ID.fullmatch(i) and i not in known and not self._store.is_receipted(i)
        )
        self._pages += 1
        ends = following is None or not ids or following == cursor or len(following) > MAX_CURSOR_CHARS
        self._cursor = None if ends or self._pages >= MAX_PAGES else following

    def _adopt(self, outlet: Catalogue, batch_id: str, utc_ms: int) -> None:
        data = outlet.receipts(batch_id)
        if data is None:
            return  # it does not have it: it is sent as any other
        try:
            signed = read_receipts(data, batch_id, self._key)
        except BadReceiptError:
            return  # proves nothing: what it names goes again
        own = [each for each in signed if each[1][0] in self._traps]  # a back end may gather many bases
        if own:
            found = self._store.adopt(batch_id, own, utc_ms)
            self.adopted += found.here
            self.elsewhere += found.elsewhere
