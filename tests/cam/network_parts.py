"""The base behind a trap's network: a real ingest and its store, over a broker in memory, in the test's own time."""

from pathlib import Path

from cam_parts import BACKEND, NOW

from trapbase.ingest import SUBSCRIPTIONS, Ingest
from trapbase.store import Store
from trapcam.network import Network, Pace, subscriptions
from trapcam.outbox import Outbox
from trapcam.states import DELETED, DELIVERED, HELD, WAITING
from trapkit import topics
from trapsim.memorybus import MemoryBroker
from trapwire.objects import ALERT, CROP, FRAME, FULL, decode_envelope, pack_keys

TRAP = 7
KEY = bytes(BACKEND.verify_key)
RUNGS = (ALERT, CROP, FRAME, FULL)


class Field:
    """A trap's network, the base's ingest behind the broker, a listener, and the time they share."""

    def __init__(self, outbox: Outbox, folder: Path) -> None:
        self.outbox = outbox
        self.broker = MemoryBroker()
        self.store = Store(folder)
        self.ingest = Ingest(self.broker.connect("ingest", SUBSCRIPTIONS), self.store)
        self.listener = self.broker.connect("listener", ("pugmark/1/#",))
        self.base_listens = True
        self.now = NOW
        self.network = self.restart()

    def restart(self, pace: Pace | None = None) -> Network:
        self.bus = self.broker.connect(str(TRAP), subscriptions(TRAP), may_publish=f"pugmark/1/+/{TRAP}/#")
        self.network = Network(self.bus, self.outbox, KEY, pace)
        return self.network

    def steps(self, count: int = 12, each_ms: int = 50) -> None:
        for _ in range(count):
            self.now += each_ms
            self.network.step(self.now)
            if self.base_listens:
                self.ingest.step(self.now)

    def published(self) -> list[tuple[int, int]]:
        """(number, rung) of what the trap published since the last call, in order."""
        return [
            (e.key.number, e.key.rung)
            for m in self.listener.take(10_000)
            if (a := topics.parse(m.topic)) and a.kind == topics.UP
            for e in [decode_envelope(m.payload)]
        ]

    def acknowledge(self, *keys: tuple[int, int]) -> None:
        """What ingest says of (number, rung) once it has committed them."""
        named = [self.outbox.key(*key) for key in keys]
        self.broker.deliver(topics.ack(TRAP), pack_keys(named), {})

    def down(self, payload: bytes) -> None:
        self.broker.deliver(topics.down(TRAP), payload, {})

    def states(self) -> dict[str, int]:
        return {state: len(self.outbox.in_state(state)) for state in (HELD, WAITING, DELIVERED, DELETED)}


def objects_of(outbox: Outbox, number: int, *rungs: int) -> list[tuple[int, int, bytes]]:
    return [(number, rung, outbox._digest(number, rung) or b"") for rung in rungs]
