"""Network and radio in one trap: which of them carries what, and who takes over when one falls silent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cam_parts import BACKEND, CAT, write_picture
from records import SOURCE, kept

from trapcam.app import TrapApp
from trapcam.capture import Capture
from trapcam.network import Network, Pace, subscriptions
from trapcam.states import DELIVERED, HELD, STORED
from trapkit import topics
from trapsim.memorybus import MemoryBroker
from trapwire import serialline as kinds
from trapwire.objects import ALERT, CROP, FRAME, FULL, decode_envelope, pack_keys

TRAP = 7
ANSWER_MS = 1000


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


@pytest.fixture
def both(make_unit: Callable[..., Any], pictures: Path) -> Both:
    write_picture(pictures / "0.png", CAT)
    return Both(make_unit())


def test_while_the_network_serves_only_alerts_cost_air(both: Both) -> None:
    both.steps()
    both.base_listens = False  # as long as a frame travels, say
    both.outbox.commit(kept(0))
    both.outbox.commit(kept(1, species=6))
    both.steps()
    assert both.network.serving
    assert both.at_the_supervisor() == {(1, ALERT)}, "and not that of the domestic cat"
    both.base_listens = True
    both.steps()
    assert len(both.in_state(DELIVERED)) == 8


def test_when_the_base_does_not_answer_the_radio_takes_over_and_gives_back(both: Both) -> None:
    both.steps()
    both.base_listens = False
    both.outbox.commit(kept(0))
    both.steps(2, each_ms=ANSWER_MS)
    both.steps()
    assert both.at_the_supervisor() == {(1, ALERT), (1, CROP)}
    assert both.in_state(HELD) == [(1, FRAME), (1, FULL)]
    assert [line for line in both.unit.lines if "radio" in line] == [
        "network (the radio goes on): connected, but no base answers"
    ]
    both.base_listens = True
    both.steps(3, each_ms=2 * ANSWER_MS)
    both.steps()
    assert both.network.serving
    both.outbox.commit(kept(1))
    both.steps()
    assert both.at_the_supervisor() == {(1, ALERT), (1, CROP), (2, ALERT)}


def test_without_a_connection_it_is_a_trap_with_a_radio(both: Both) -> None:
    both.bus.connected = False
    both.bus.last_error = "bus: no connection to base:8883"
    both.outbox.commit(kept(0))
    both.steps(200)
    assert both.at_the_supervisor() == {(1, ALERT), (1, CROP)}
    assert both.in_state(STORED) == [(1, ALERT), (1, CROP)]
    assert both.unit.lines == ["network (the radio goes on): no connection to base:8883"], "once"
    both.bus.connected = True
    both.steps()
    assert len(both.in_state(DELIVERED)) == 4, "the full frame too"


def test_what_the_network_delivered_is_not_handed_to_a_supervisor_that_lost_its_flash(both: Both) -> None:
    both.bus.connected = False
    both.outbox.commit(kept(0))
    both.steps()
    assert both.in_state(STORED) == [(1, ALERT), (1, CROP)]
    both.bus.connected, both.base_listens = True, False
    both.unit.supervisor.queue.clear()
    both.unit.supervisor.say(kinds.HELLO)
    both.steps(5)
    assert both.at_the_supervisor() == {(1, ALERT)}, "asked after at once; the crop is left to the network"
    both.base_listens = True
    both.steps()
    assert len(both.in_state(DELIVERED)) == 4
    both.bus.connected = False
    both.steps()
    assert both.at_the_supervisor() == {(1, ALERT)}
