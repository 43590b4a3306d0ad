"""The base is killed while an upload is at any byte: whatever the back end has by then, at most one chunk goes twice.

Nothing of the base's memory survives; the back end is the real one, and keeps of a broken request what had arrived, or
nothing of it, as tus leaves to it.
"""

import shutil
from pathlib import Path

import pytest

from tests.base.parts import SIGNING, UPLOAD, Base, deliver, sighting
from trapbase.config import BatchSettings
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapsim.memorybus import MemoryBroker

CHUNK = UPLOAD.chunk_bytes
CUT = BatchSettings(max_events=2, max_age_s=1, max_wait_s=3)


class Killed(BaseException):
    """`kill -9`: nothing in the base may catch it."""


class Line:
    """The way to the back end, on which the base dies when `fuse` more bytes of chunks have left it. `keeps`: whether
    the back end keeps what arrived of a broken request; `hears`: whether a chunk's answer still came when it was whole.
    """

    def __init__(self, backend: BackendStore, fuse: int, *, keeps: bool) -> None:
        self._direct = DirectOutlet(backend)
        self._fuse: int | None = fuse
        self._keeps = keeps
        self.sent = 0

    def create(self, batch_id: str, size: int) -> str:
        return self._direct.create(batch_id, size)

    def offset(self, url: str) -> int | None:
        return self._direct.offset(url)

    def send(self, url: str, offset: int, data: bytes) -> int:
        if self._fuse is None or self._fuse > len(data):
            self._fuse = None if self._fuse is None else self._fuse - len(data)
            self.sent += len(data)
            return self._direct.send(url, offset, data)
        part = data[: self._fuse]
        self._fuse = None
        self.sent += len(part)
        if part and (self._keeps or len(part) == len(data)):
            self._direct.send(url, offset, part)
        raise Killed  # with a whole chunk: before its answer

    def receipts(self, batch_id: str) -> bytes | None:
        return self._direct.receipts(batch_id)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A base with one batch, cut and not uploaded, and the batch's size."""
    folder = tmp_path_factory.mktemp("cut")
    base = Base(folder, MemoryBroker(), DirectOutlet(None), batch=CUT)
    deliver(base.gateway_bus._broker, *sighting(1, 1), *sighting(2, 1))
    base.run(0, 1500)
    (batch,) = base.store.batches_in(("cut",), 9)
    base.close()
    assert batch.size > 3 * CHUNK
    return folder, batch.size


def places(size: int) -> list[int]:
    """Before and after the first byte, around each chunk's end, in the middle of each, and around the last byte."""
    edges = {*range(0, size, CHUNK), size}
    found = {edge + by for edge in edges for by in (-1, 0, 1, CHUNK // 2)}
    return sorted(n for n in found if 0 <= n <= size)


@pytest.mark.parametrize("keeps", [True, False])
def test_at_most_one_chunk_is_sent_twice(tmp_path: Path, cut: tuple[Path, int], keeps: bool) -> None:
    folder, size = cut
    twice = []
    for fuse in places(size):
        here = tmp_path / str(fuse)
        shutil.copytree(folder, here / "base")
        backend = BackendStore(here / "backend", bytes(SIGNING))
        line = Line(backend, fuse, keeps=keeps)
        broker = MemoryBroker()
        base = Base(here / "base", broker, line, batch=CUT)
        with pytest.raises(Killed):
            base.run(0, 5000)
        base.close()
        base = Base(here / "base", broker, line, batch=CUT)
        base.run(5000, 15_000)
        assert base.store.batches_in(("cut", "uploading", "uploaded"), 9) == [], fuse
        stats = backend.stats()
        assert (stats["objects"], stats["duplicated"], stats["refused"]) == (4, 0, 0), fuse
        base.close()
        backend.close()
        twice.append(line.sent - size)
    assert max(twice) <= CHUNK
    assert min(twice) >= 0
    assert (max(twice) > 0) != keeps, "a back end that keeps what arrived gets nothing twice"
