"""A 3 MB full frame over a real Mosquitto, and the line is cut at nine tenths: what is sent again, before and after.

`pytest -s tests/cam/test_network_resume.py` prints the figures.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cam_parts import BACKEND, NOW
from records import SOURCE, kept
from tests.support import Broker, wait_for

from trapbase import ingest
from trapbase.store import Store
from trapcam.network import MAX_PACKET_BYTES, Network, subscriptions
from trapcam.outbox import Outbox
from trapcam.states import DELIVERED
from trapcam.transfer import WINDOW_BYTES
from trapkit import topics
from trapkit.bus import Bus
from trapwire.objects import ALERT, CROP, FRAME, FULL

TRAP = 7
SIZE = 3_000_000
CUT_AT = SIZE * 9 // 10
READ_BYTES = 16 * 1024


class Line:
    """A way to the broker that counts what goes up, and is cut once `cut_at` bytes have gone."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.up_bytes = 0
        self.cut_at: int | None = None
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.port = self._socket.getsockname()[1]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._pairs.append((near, far))
                for source, target, up in ((near, far, True), (far, near, False)):
                    self._threads.append(threading.Thread(target=self._carry, args=(source, target, up)))
                    self._threads[-1].start()

    def _carry(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(READ_BYTES):
                if up:
                    with self._lock:
                        self.up_bytes += len(data)
                        if self.cut_at is not None and self.up_bytes >= self.cut_at:
                            self.cut_at = None
                            break
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for each in [end for pair in self._pairs for end in pair]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in [end for pair in self._pairs for end in pair]:
            each.close()


@pytest.fixture
def line(broker: Broker) -> Iterator[Line]:
    made = Line(broker.port)
    yield made
    made.close()


def trap_bus(broker: Broker, port: int) -> Bus:
    files = (broker.fleet / "ca.crt", broker.fleet / f"{TRAP}.crt", broker.fleet / f"{TRAP}.key")
    return Bus("127.0.0.1", port, *files, str(TRAP), subscriptions(TRAP), max_packet_bytes=MAX_PACKET_BYTES)


class Base:
    """The base's ingest, which can be started again."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self._broker = broker
        self.store = Store(folder)
        self._bus = broker.bus("ingest", *ingest.SUBSCRIPTIONS)
        self.ingest = ingest.Ingest(self._bus, self.store)

    def restart(self) -> None:
        self._bus.stop()
        self._bus = self._broker.bus("ingest", *ingest.SUBSCRIPTIONS)
        self.ingest = ingest.Ingest(self._bus, self.store)

    def step(self) -> None:
        self.ingest.step(time.monotonic_ns() // 1_000_000, NOW)


@pytest.fixture
def base(broker: Broker, tmp_path: Path) -> Iterator[Base]:
    made = Base(broker, tmp_path / "base")
    yield made
    made.store.close()


def sent_again(name: str, line: Line, delivered: Callable[[], bool], cut: Callable[[], None]) -> int:
    """Bytes that went up beyond one time the frame, TLS and all, with a cut at nine tenths; and prints it."""
    line.cut_at = line.up_bytes + CUT_AT
    before = line.up_bytes
    wait_for(lambda: delivered() or line.cut_at is None, 40)
    assert line.cut_at is None, "it was not cut"
    cut()
    wait_for(delivered, 40)
    again = line.up_bytes - before - SIZE
    print(f"{name}: {again:,} bytes beyond the {SIZE:,} of the frame")
    return again


def test_after_a_cut_at_nine_tenths_only_the_rest_is_sent(
    outbox: Outbox, broker: Broker, line: Line, base: Base
) -> None:
    outbox.declare_source(SOURCE, None)
    outbox.commit(kept(0, full=os.urandom(SIZE)))
    outbox.mark([], [(1, ALERT), (1, CROP), (1, FRAME)])
    bus = trap_bus(broker, line.port)
    bus.start()
    network = Network(bus, outbox, bytes(BACKEND.verify_key))

    def delivered() -> bool:
        network.step(time.time_ns() // 1_000_000)
        base.step()
        return len(outbox.in_state(DELIVERED)) == 4

    try:
        wait_for(lambda: bus.connected)
        again = sent_again("in pieces", line, delivered, lambda: None)
    finally:
        bus.stop()
    assert again <= WINDOW_BYTES + 0.02 * SIZE, "what was on its way, and the heads of TLS and of pieces"
    assert bus._connection == 2


def test_a_restart_of_trap_broker_and_base_costs_no_more(
    outbox: Outbox, broker: Broker, line: Line, base: Base
) -> None:
    outbox.declare_source(SOURCE, None)
    outbox.commit(kept(0, full=os.urandom(SIZE)))
    outbox.mark([], [(1, ALERT), (1, CROP), (1, FRAME)])
    buses = [trap_bus(broker, line.port)]
    buses[0].start()
    networks = [Network(buses[0], outbox, bytes(BACKEND.verify_key))]

    def delivered() -> bool:
        networks[-1].step(time.time_ns() // 1_000_000)
        base.step()
        return len(outbox.in_state(DELIVERED)) == 4

    def everything_starts_again() -> None:
        buses[-1].stop()
        broker.kill()
        broker.start()
        base.restart()
        buses.append(trap_bus(broker, line.port))
        buses[-1].start()
        networks.append(Network(buses[-1], outbox, bytes(BACKEND.verify_key)))

    try:
        wait_for(lambda: buses[0].connected)
        again = sent_again("in pieces, all started again", line, delivered, everything_starts_again)
    finally:
        buses[-1].stop()
    assert again <= 2 * WINDOW_BYTES + 0.02 * SIZE


def test_what_it_was_in_one_message(outbox: Outbox, broker: Broker, line: Line, base: Base) -> None:
    """The way before there were pieces, which a base still takes."""
    outbox.declare_source(SOURCE, None)
    outbox.commit(kept(0, full=os.urandom(SIZE)))
    envelope = outbox.envelope(1, FULL)
    assert envelope is not None
    bus = trap_bus(broker, line.port)
    bus.start()

    def delivered() -> bool:
        base.step()
        return len(base.store.all_objects([TRAP], 9)) == 1

    try:
        wait_for(lambda: bus.connected)
        wait_for(lambda: bus.publish(topics.up(TRAP, "full"), envelope.encode()))
        again = sent_again("in one message", line, delivered, lambda: None)
    finally:
        bus.stop()
    assert again >= CUT_AT
