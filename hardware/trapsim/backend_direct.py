"""The reference back end as an outlet without sockets, for virtual time."""

import json

from trapbase.outlet import OutletError, refusal_by
from trapkit.errors import StorageError
from trapsim.backend_error import UploadError
from trapsim.backend_store import BackendStore

REFUSED = (UploadError, OSError, StorageError)


class DirectOutlet:
    """`store`: the back end, or None while it is down (assign it)."""

    def __init__(self, store: BackendStore | None) -> None:
        self.store = store

    def create(self, batch_id: str, size: int) -> str:
        try:
            return self._store.create(batch_id, size)
        except REFUSED as error:
            raise _refusal(error) from error

    def offset(self, url: str) -> int | None:
        found = self._store.offset(url)
        return None if found is None else found[0]

    def send(self, url: str, offset: int, data: bytes) -> int:
        try:
            return self._store.append(url, offset, data)
        except REFUSED as error:
            raise _refusal(error) from error

    def receipts(self, batch_id: str) -> bytes | None:
        answer = self._store.receipts(batch_id)
        return None if answer is None else json.dumps(answer).encode()

    def batches(self, after: str) -> tuple[list[str], str | None]:
        try:
            return self._store.batches(after)
        except REFUSED as error:
            raise _refusal(error) from error

    def identifications(self, after: str, limit: int) -> tuple[bytes, str] | None:
        try:
            return self._store.results.page(after, limit)
        except REFUSED as error:
            raise _refusal(error) from error

    @property
    def _store(self) -> BackendStore:
        if self.store is None:
            raise OutletError("back end: it is down")
        return self.store


def _refusal(error: Exception) -> OutletError:
    """As `trapsim.backend` answers: a disk that refuses is 507."""
    return refusal_by("an upload", error.status if isinstance(error, UploadError) else 507, str(error))
