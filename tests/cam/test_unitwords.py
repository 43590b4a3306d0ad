"""What the supervisor says of its unit, and what the trap does in service."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cam_parts import CAT, write_picture
from hypothesis import given
from hypothesis import strategies as st

from trapcam.trigger import Trigger
from trapcam.unitwords import UnitWords, decode_mode
from trapcam.uplink import SERVICE_STALE_MS, VISIT_OVER
from trapwire import serialline as kinds
from trapwire.errors import WireError
from trapwire.unitstates import ARMED, PARKED, SERVICE

Unit = Callable[..., Any]
LONG = ">BBbbBBHHbH"
NOT_KNOWN = struct.pack(LONG, PARKED, 255, 127, 127, 9, 197, 65535, 65535, -128, 0)


def mode(state: int, walked: int = 0) -> bytes:
    return struct.pack(LONG, state, 80, 18, -3, 9, 197, 12, 120, -25, walked)


def test_all_that_is_said_is_understood() -> None:
    assert decode_mode(mode(SERVICE, 7), 5) == UnitWords(
        at_ms=5, state=SERVICE, battery=80, margin_db=18, partner_db=-3, sf=9, frame_bytes=197, heard_s=12,
        days_left=120, temperature_c=-25, walked=7,
    )  # fmt: skip


def test_what_is_not_known_is_none() -> None:
    assert decode_mode(NOT_KNOWN, 5) == UnitWords(at_ms=5, state=PARKED, sf=9, frame_bytes=197, walked=0)


def test_older_and_later_firmware_is_understood() -> None:
    assert decode_mode(bytes([ARMED]), 5) == UnitWords(at_ms=5, state=ARMED)
    assert decode_mode(bytes([ARMED, 40]), 5) == UnitWords(at_ms=5, state=ARMED, battery=40)
    assert decode_mode(mode(SERVICE) + b"more", 5) == decode_mode(mode(SERVICE), 5)


@given(st.binary(max_size=20))
def test_no_bytes_break_it(payload: bytes) -> None:
    if not payload:
        with pytest.raises(WireError):
            decode_mode(payload, 0)
        return
    words = decode_mode(payload, 0)
    assert words.battery is None or words.battery <= 100
    assert words.sf is None or 7 <= words.sf <= 12


@pytest.fixture
def unit(make_unit: Unit, pictures: Path) -> Any:
    for number in range(9):
        write_picture(pictures / f"{number}.png", CAT, number)
    return make_unit()


@dataclass
class Visitor:
    """A page that only notes what moved."""

    seen: list[Trigger]

    def step(self, *, wanted: bool) -> bool:
        return False

    def on_trigger(self, trigger: Trigger) -> None:
        self.seen.append(trigger)

    def close(self) -> None:
        pass


def wake(unit: Any, number: int) -> None:
    unit.supervisor.say(kinds.WAKE, struct.pack(">IBI", number, 0, 40))


def say(unit: Any, *payloads: bytes) -> None:
    for payload in payloads:
        unit.supervisor.say(kinds.MODE, payload)


def visits_ended(unit: Any) -> int:
    return sum(k == kinds.DONE and p[0] == VISIT_OVER for k, p in unit.supervisor.heard)


def test_in_service_triggers_go_to_the_walk_test_and_no_picture_is_taken(unit: Any) -> None:
    seen: list[Trigger] = []
    unit.app._visit = Visitor(seen)
    wake(unit, 1)  # before the ranger came
    say(unit, mode(SERVICE))
    wake(unit, 2)
    wake(unit, 3)
    unit.steps(10)
    assert [trigger.number for trigger in seen] == [2, 3]
    assert (unit.position, unit.uplink.words.margin_db) == (1, 18)
    assert any(k == kinds.DONE and p == struct.pack(">BI", 0, 3) for k, p in unit.supervisor.heard)
    say(unit, mode(ARMED))
    wake(unit, 4)
    unit.steps(10)
    assert (unit.position, len(seen)) == (2, 2)


def test_without_a_page_they_are_counted_and_dropped(unit: Any) -> None:
    say(unit, mode(SERVICE))
    wake(unit, 1)
    unit.steps(10)
    assert (unit.position, unit.app.unseen_walks) == (0, 1)


def test_a_supervisor_that_fell_silent_in_service_hides_no_cat(unit: Any) -> None:
    say(unit, mode(SERVICE))
    unit.steps(3)
    unit.now += SERVICE_STALE_MS
    wake(unit, 1)
    unit.steps(5)
    assert (unit.position, unit.app.unseen_walks) == (1, 0)


def test_firmware_that_says_service_but_once_is_served_as_before(unit: Any) -> None:
    say(unit, bytes([SERVICE, 80]))
    wake(unit, 1)
    unit.steps(5)
    assert unit.position == 1


def test_the_end_of_a_visit_is_said_until_the_unit_has_left_service(unit: Any) -> None:
    unit.uplink.visit_over()
    unit.steps(5)
    assert visits_ended(unit) == 0  # nobody visits
    say(unit, mode(SERVICE))
    unit.steps(3)
    unit.uplink.visit_over()
    unit.steps(3)
    assert visits_ended(unit) == 1
    for _ in range(3):
        unit.now += 10_000
        unit.steps(1)
    unit.steps(1)
    assert visits_ended(unit) == 4
    say(unit, mode(ARMED))
    unit.steps(3)
    say(unit, mode(SERVICE))  # the next visit
    unit.now += 10_000
    unit.steps(3)
    assert visits_ended(unit) == 4
