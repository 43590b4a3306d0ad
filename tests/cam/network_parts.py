"""The base behind a trap's network: a real ingest and its store, over a broker in memory, in the test's own time; and
a whole unit that has both network and radio."""

from pathlib import Path
from typing import Any

from cam_parts import BACKEND, NOW
from records import SOURCE

from trapbase.ingest import SUBSCRIPTIONS, Ingest
from trapbase.store import Store
from trapcam.app import TrapApp
from trapcam.capture import Capture
from trapcam.network import Network, Pace, subscriptions
from trapcam.outbox import Outbox
from trapcam.states import DELETED, DELIVERED, HELD, WAITING
from trapkit import topics
from trapsim.memorybus import MemoryBroker
from trapwire.objects import ALERT, CROP, FRAME, FULL, decode_envelope, pack_keys

TRAP = 7
KEY = bytes(BACKEND.verify_key)
RUNGS = (ALERT, CROP, FRAME, FULL)
ANSWER_MS = 1000


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


class Both:
    """A whole trap unit with its supervisor on a pty, and a broker behind which a base answers, or does not."""

    def __init__(self, unit: Any) -> None:
        self.unit = unit
        self.outbox = unit.outbox
        self.outbox.declare_source(SOURCE, None)
        broker = MemoryBroker()
        self.bus = broker.connect(str(TRAP), subscriptions(TRAP), may_publish=f"pugmark/1/+/{TRAP}/#")
        self.base = broker.connect("ingest", (topics.every(topics.UP),))
        self.network = Network(self.bus, self.outbox, bytes(BACKEND.verify_key), Pace(answer_ms=ANSWER_MS))
        unused: Any = None
        capture = Capture(unused, unused, unused)  # no trigger comes: the sightings are put into the outbox
        unit.app = TrapApp(
            unit.camera, capture, unit.outbox, unit.uplink, network=self.network, report=unit.lines.append
        )
        self.base_listens = True

    def steps(self, count: int = 20, each_ms: int = 20) -> None:
        for _ in range(count):
            self.unit.steps(1, each_ms)
            for message in self.base.take(64) if self.base_listens else ():
                envelope = decode_envelope(message.payload)
                self.base.publish(topics.ack(TRAP), pack_keys([envelope.key]))
                message.acknowledge()

    def at_the_supervisor(self) -> set[tuple[int, int]]:
        return {(key.number, key.rung) for key in self.unit.supervisor.queue}

    def in_state(self, state: str) -> list[tuple[int, int]]:
        return [(number, rung) for _, number, rung in self.outbox.in_state(state)]
