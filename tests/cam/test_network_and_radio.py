"""Network and radio in one trap: which of them carries what, and who takes over when one falls silent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cam_parts import CAT, write_picture
from network_parts import ANSWER_MS, Both
from records import kept

from trapcam.states import DELIVERED, HELD, STORED
from trapwire import serialline as kinds
from trapwire.objects import ALERT, CROP, FRAME, FULL


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
