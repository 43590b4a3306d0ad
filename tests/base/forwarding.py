"""A base with its back end in virtual time, and an outlet that notes and fails."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.base.parts import SIGNING, Base
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapsim.memorybus import MemoryBroker


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = MemoryBroker()
        self.outlet = DirectOutlet(BackendStore(folder / "backend", bytes(SIGNING)))
        self.base = Base(folder / "base", self.broker, self.outlet)

    def restart(self, **more: Any) -> None:
        self.base.close()
        self.base = Base(self.folder / "base", self.broker, self.outlet, **more)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        db = sqlite3.connect(self.folder / "base" / "base.sqlite3")
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    @property
    def backend(self) -> BackendStore:
        assert self.outlet.store is not None
        return self.outlet.store

    def states(self) -> list[str]:
        return [s for (s,) in self.rows("SELECT state FROM batches ORDER BY cut_ms")]

    def until(self, state: str) -> int:
        """Step until the one batch is in this state; the time then."""
        for now in range(0, 60_000, 250):
            self.base.step(now)
            if self.states() == [state]:
                return now
        raise AssertionError(f"the batch is {self.states()}")

    def downs(self) -> list[tuple[str, bytes]]:
        return [(m.topic, m.payload) for m in self.base.gateway_bus.take(100) if "/down/" in m.topic]

    def close(self) -> None:
        self.base.close()
        self.backend.close()


class Recorder:
    """An outlet that notes what is sent and may fail before or after the back end has it."""

    def __init__(self, inner: DirectOutlet) -> None:
        self.inner = inner
        self.sent: list[tuple[int, int]] = []
        self.fail: Callable[[str], None] = lambda when: None

    def create(self, batch_id: str, size: int) -> str:
        self.fail("create")
        url = self.inner.create(batch_id, size)
        self.fail("created")
        return url

    def offset(self, url: str) -> int | None:
        self.fail("offset")
        return self.inner.offset(url)

    def send(self, url: str, offset: int, data: bytes) -> int:
        self.fail("send")
        self.sent.append((offset, len(data)))
        reached = self.inner.send(url, offset, data)
        self.fail("sent")
        return reached

    def receipts(self, batch_id: str) -> bytes | None:
        self.fail("receipts")
        return self.inner.receipts(batch_id)
