"""When a parked Pi may go that has a network: not before its uploads are done, and not much later either."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cam_parts import CAT, write_picture
from network_parts import ANSWER_MS, Both
from records import kept

from trapcam.states import DELIVERED, HELD
from trapcam.stay import Patience, Stay
from trapcam.uplink import Timing
from trapwire import serialline as kinds
from trapwire.objects import ALERT, CROP, FRAME, FULL

NOW = 1_800_000_000_000
PATIENCE = Patience()
DONE_AGAIN_MS = Timing().status_ms


class Way:
    """A network as the decision sees it."""

    def __init__(self) -> None:
        self.connected = self.serving = True
        self.progress = 0
        self.here = True

    def left(self) -> bool:
        return self.here


def stays_s(stay: Stay, way: Way, at: Callable[[int], None] = lambda second: None) -> int:
    """How many seconds it stays."""
    for second in range(2000):
        at(second)
        stay.see(way, NOW + 1000 * second)
        if not stay.wanted(way, NOW + 1000 * second):
            return second
    raise AssertionError("it stays for ever")


def test_it_goes_at_once_when_nothing_is_left() -> None:
    way = Way()
    way.here = False
    assert stays_s(Stay(PATIENCE), way) == 0


def test_it_goes_as_soon_as_everything_is_delivered() -> None:
    way = Way()

    def at(second: int) -> None:
        way.progress, way.here = second, second < 77

    assert stays_s(Stay(PATIENCE), way, at) == 77


def test_a_base_that_brings_nothing_on_costs_two_minutes_and_one_that_is_silent_nothing() -> None:
    way = Way()
    stay = Stay(PATIENCE)
    assert stays_s(stay, way) == 120
    assert stay.stalled, "the radio may have it"
    way.progress += 1
    assert stay.wanted(way, NOW + 121_000)
    assert not stay.stalled
    way.serving = False
    assert not stay.wanted(way, NOW + 122_000)


def test_each_step_forward_gives_it_its_time_again_but_not_for_ever() -> None:
    way = Way()

    def at(second: int) -> None:
        way.progress = second // 100

    assert stays_s(Stay(PATIENCE), way, at) == 480, "the supervisor cuts a busy Pi off after 600"


def test_a_network_that_is_not_there_yet_has_a_while_to_come() -> None:
    way = Way()
    way.connected = way.serving = False
    assert stays_s(Stay(PATIENCE), way) == 20

    def at(second: int) -> None:
        way.connected = way.serving = second >= 15
        way.progress, way.here = second, second < 60

    assert stays_s(Stay(PATIENCE), way, at) == 60


def test_one_that_has_been_away_for_hours_is_not_waited_for() -> None:
    way = Way()
    way.connected = way.serving = way.here = False
    stay = Stay(PATIENCE)
    stay.see(way, NOW - 7_200_000)
    way.here = True
    assert stays_s(stay, way) == 0


def test_one_that_breaks_in_between_has_the_same_while_to_come_back() -> None:
    way = Way()

    def at(second: int) -> None:
        way.connected = way.serving = second < 50
        way.progress = min(second, 50)

    assert stays_s(Stay(PATIENCE), way, at) == 70


def test_zero_means_not_at_all() -> None:
    way = Way()
    assert stays_s(Stay(Patience(stay_ms=0, join_ms=0)), way) == 0
    way.connected = False
    assert stays_s(Stay(Patience(stay_ms=0, join_ms=0)), way) == 0


def test_what_else_is_in_hand_does_not_count() -> None:
    way = Way()
    stay = Stay(PATIENCE)
    assert stay.wanted(way, NOW)
    stay.busy()
    assert stay.wanted(way, NOW + 10_000_000)


def test_a_clock_set_back_or_far_ahead_lets_it_go_rather_than_stay_for_ever() -> None:
    for jump_ms in (-(10**12), 10**12):
        stay, way = Stay(PATIENCE), Way()
        assert stay.wanted(way, NOW)
        assert not stay.wanted(way, NOW + jump_ms)


# --- the whole unit ---------------------------------------------------------------------------------------------------


@pytest.fixture
def both(make_unit: Callable[..., Any], pictures: Path) -> Both:
    write_picture(pictures / "0.png", CAT)
    return Both(make_unit())


def done(both: Both) -> int:
    """How often the unit has said that it may be switched off."""
    heard = both.unit.supervisor.heard
    found = sum(kind == kinds.DONE and payload[0] == 0 for kind, payload in heard)
    heard.clear()
    return found


def test_a_unit_says_done_when_the_network_has_brought_its_full_frame(both: Both) -> None:
    both.steps()
    both.base_listens = False
    both.outbox.commit(kept(0))
    done(both)
    both.steps(10, each_ms=50)
    assert done(both) == 0, "the alert alone would have let it go"
    both.base_listens = True
    both.steps(10, each_ms=50)
    assert len(both.in_state(DELIVERED)) == 4
    both.steps(2, each_ms=DONE_AGAIN_MS)
    assert done(both) >= 1


def test_a_unit_whose_base_is_dead_hands_its_crop_to_the_radio_and_goes(both: Both) -> None:
    both.steps()
    both.base_listens = False
    both.outbox.commit(kept(0))
    both.steps(30, each_ms=ANSWER_MS // 5)
    both.steps(10)
    assert both.at_the_supervisor() == {(1, ALERT), (1, CROP)}
    assert both.in_state(HELD) == [(1, FRAME), (1, FULL)]
    both.steps(2, each_ms=DONE_AGAIN_MS)
    assert done(both) >= 1


def test_a_unit_without_a_connection_waits_for_it_and_then_goes(both: Both) -> None:
    both.bus.connected = False
    both.outbox.commit(kept(0))
    both.steps(18, each_ms=1000)
    assert done(both) == 0
    both.steps(4, each_ms=1000)
    assert done(both) >= 1
    assert both.at_the_supervisor() == {(1, ALERT), (1, CROP)}


def test_a_unit_that_is_told_to_leave_goes_whatever_is_left(both: Both) -> None:
    both.steps()
    both.base_listens = False
    both.outbox.commit(kept(0))
    both.steps(3)
    both.unit.supervisor.say(kinds.LEAVE)
    both.steps(3)
    assert both.unit.app.left
    assert (kinds.DONE, struct.pack(">BI", 1, 0)) in both.unit.supervisor.heard


def test_a_unit_with_nothing_left_says_done_at_once(both: Both) -> None:
    both.bus.connected = False
    both.steps(5)
    assert done(both) >= 1
