"""The base's three outside things, put in the places of the real adapters: bus, modem's line, back end.

Each call that leaves the base is a moment at which it may die, as `trapsim.crash` counts them: before the call, and
after it was done and before the base knows.
"""

import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

from trapbase.outlet import Catalogue, Outlet, ResultSource
from trapbase.tus import TusOutlet
from trapkit.bus import Bus
from trapkit.files import lock_folder
from trapkit.serialport import SerialPort
from trapkit.topics import Message
from trapsim.basesoak.clock import TimeModule, WorldClock
from trapsim.crash import Fuse
from trapsim.memorybus import MemoryBroker

T = TypeVar("T")


class Closable(Protocol):
    """A file, a lock, a database: what the kernel takes back from a dead process."""

    def close(self) -> object: ...


class Way(Outlet, Catalogue, ResultSource, Protocol):
    """All that a base asks of a back end."""


class MortalBus:
    """One session, with the interface of `trapkit.bus.Bus`."""

    unsteady = False

    def __init__(self, broker: MemoryBroker, fuse: Fuse, client_id: str, subscriptions: tuple[str, ...]) -> None:
        self._bus = broker.connect(client_id, subscriptions)
        self._fuse = fuse

    def start(self) -> None:
        """It is connected where there is a broker."""

    def stop(self) -> None:
        self._bus.connected = False

    @property
    def connected(self) -> bool:
        return self._bus.connected

    @property
    def denied(self) -> int:
        return self._bus.denied

    @property
    def last_error(self) -> str:
        return self._bus.last_error

    def publish(self, topic: str, payload: bytes, properties: dict[str, str] | None = None) -> bool:
        return bool(self._fuse.around(self._bus.publish, "publish")(topic, payload, properties))

    def take(self, limit: int) -> list[Message]:
        taken = self._bus.take(limit)
        for message in taken:
            message.acknowledge = self._fuse.around(message.acknowledge, "acknowledge")
        return taken


class ModemEnd:
    """The modem's line, with the interface of `trapkit.serialport.SerialPort`. `up`: what the modem says, `down`: what
    it is told; `is_open`: set false while nobody has plugged it in."""

    damaged = 0

    def __init__(self, fuse: Fuse) -> None:
        self.is_open = True
        self.last_error = "modem: not there"
        self.path = "modem"
        self.up: list[tuple[int, bytes]] = []
        self.down: list[tuple[int, bytes]] = []
        self._fuse = fuse

    def open(self) -> bool:
        return self.is_open

    def close(self) -> None:
        """Nobody reads any more."""

    def reopen(self) -> None:
        """In memory a line that is silent is no better for it."""

    def fileno(self) -> int | None:
        return None

    def read(self) -> list[tuple[int, bytes]]:
        messages, self.up = self.up, []
        return messages if self.is_open else []

    def send(self, kind: int, payload: bytes) -> bool:
        if not self.is_open:
            return False
        self._fuse.around(lambda: self.down.append((kind, payload)), "send")()
        return True


class MortalOutlet:
    """The way to the back end; the back end itself does not die with the base."""

    def __init__(self, outlet: Way, fuse: Fuse) -> None:
        self._outlet = outlet
        self._fuse = fuse

    def create(self, batch_id: str, size: int) -> str:
        return self._ask(lambda: self._outlet.create(batch_id, size), "create")

    def offset(self, url: str) -> int | None:
        return self._ask(lambda: self._outlet.offset(url), "offset")

    def send(self, url: str, offset: int, data: bytes) -> int:
        return self._ask(lambda: self._outlet.send(url, offset, data), "piece")

    def receipts(self, batch_id: str) -> bytes | None:
        return self._ask(lambda: self._outlet.receipts(batch_id), "receipt")

    def batches(self, after: str) -> tuple[list[str], str | None]:
        return self._ask(lambda: self._outlet.batches(after), "list")

    def identifications(self, after: str, limit: int) -> tuple[bytes, str] | None:
        return self._ask(lambda: self._outlet.identifications(after, limit), "results")

    def close(self) -> None:
        """There is no connection."""

    def _ask(self, call: Callable[[], T], name: str) -> T:
        def elsewhere() -> T:
            armed, self._fuse.armed = self._fuse.armed, False
            try:
                return call()
            finally:
                self._fuse.armed = armed

        answer: T = self._fuse.around(elsewhere, name)()
        return answer


class Seams:
    """What stands at the base's three seams, and what it has open: `opened` is told of every lock and database."""

    def __init__(self, broker: MemoryBroker, line: ModemEnd, outlet: Way, clock: WorldClock, fuse: Fuse) -> None:
        self._made: dict[Any, Any] = {
            Bus: lambda host, port, ca, cert, key, client_id, subscriptions, **_: MortalBus(
                broker, fuse, client_id, subscriptions
            ),
            SerialPort: lambda path, **_: line,
            TusOutlet: lambda url, timeout_s, *_: MortalOutlet(outlet, fuse),
            time: TimeModule(clock),
            random: random.Random("pauses"),  # noqa: S311 - back-off, repeatable
            lock_folder: self._watched(lock_folder),
        }
        self.opened: list[Closable] = []

    def _watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def opening(*args: Any, **kwargs: Any) -> Any:
            made = call(*args, **kwargs)
            self.opened.append(made)
            return made

        return opening

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """In every loaded module of the base, whatever the real adapter is called there."""
        changed: list[tuple[Any, str, Any]] = []
        for module in [m for name, m in sys.modules.items() if name.startswith("trapbase.")]:
            for name, value in list(vars(module).items()):
                with suppress(TypeError):  # values that cannot be keys are none of these
                    if value in self._made:
                        changed.append((module, name, value))
                        setattr(module, name, self._made[value])
        connect = sqlite3.connect
        sqlite3.connect = self._watched(connect)
        try:
            yield
        finally:
            sqlite3.connect = connect
            for module, name, value in changed:
                setattr(module, name, value)
