"""The uplink with the supervisor's own firmware at the other end of the line, in one virtual time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cam_parts import BACKEND, NOW, receipt_for
from records import SOURCE, kept, sealed

from trapcam.outbox import Outbox
from trapcam.states import DELETED, HELD, STORED, WAITING
from trapcam.trigger import Trigger
from trapcam.uplink import Uplink
from trapkit.aes import Aes
from trapmcu import pipower
from trapmcu.settings import complete
from trapmcu.supervisor import Supervisor
from trapsim.plainboard import PlainBoard
from trapwire import serialline as line
from trapwire.airtime import usable_frame
from trapwire.notes import OPENED
from trapwire.objects import ALERT, NOTE, SCENE
from trapwire.serialline import SerialDecoder, encode_message
from trapwire.unitstates import ARMED, SERVICE

STEP_MS = 50


class SilentRadio:
    """A radio on which nothing is ever heard and nothing gets out."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: False


class Board(PlainBoard):
    """A board with a UART, flash and a PIR, and a clock that the test moves; also the Pi's end of the line."""

    is_open = True

    def __init__(self, flash: Path) -> None:
        flash.mkdir()
        self.flash = str(flash)
        self.radio = SilentRadio()
        self.ms = self.edges = self.held_ms = 0
        self._to_mcu = self._to_pi = b""
        self._decoder = SerialDecoder()

    def now_ms(self) -> int:
        return self.ms

    def random(self, below: int) -> int:
        return 0

    def uart_read(self) -> bytes:
        data, self._to_mcu = self._to_mcu, b""
        return data

    def uart_write(self, data: bytes) -> None:
        self._to_pi += data

    def aes(self, key: bytes) -> Aes:
        return Aes(key)

    def button(self) -> int:
        held, self.held_ms = self.held_ms, 0
        return held

    def pir_edges(self) -> int:
        edges, self.edges = self.edges, 0
        return edges

    def read(self) -> list[tuple[int, bytes]]:
        data, self._to_pi = self._to_pi, b""
        return self._decoder.feed(data)

    def send(self, kind: int, payload: bytes) -> bool:
        self._to_mcu += encode_message(kind, payload)
        return True


class Unit:
    def __init__(self, outbox: Outbox, flash: Path, queue_bytes: int) -> None:
        self.board = Board(flash)
        self._settings = {
            "trap": 7, "plan": "cn470", "sf": 9, "times": {},
            "link_key": "07" * 16, "queue_bytes": queue_bytes, "down_bytes": 4096, "repeat_ms": 2000,
            "armed_to_h": 24, "min_gap_ms": 0,
        }  # fmt: skip
        self.uplink = Uplink(self.board, outbox, bytes(BACKEND.verify_key))
        self.boot()

    def boot(self) -> None:
        self.supervisor = Supervisor(self.board, complete(self._settings))

    def steps(self, count: int) -> list[Trigger]:
        triggers = []
        for _ in range(count):
            self.board.ms += STEP_MS
            triggers += self.uplink.step(NOW + self.board.ms)
            self.supervisor.step(self.board.ms)
        return triggers


@pytest.fixture
def box(outbox: Outbox) -> Outbox:
    outbox.declare_source(SOURCE, None)
    for position in range(6):
        outbox.commit(kept(position))
    return outbox


def test_hand_over_wake_receipt_and_restart(box: Outbox, tmp_path: Path) -> None:
    unit = Unit(box, tmp_path / "flash", queue_bytes=20_000)
    unit.steps(60)
    assert box.in_state(WAITING) == []
    assert len(box.in_state(STORED)) == 12

    unit.board.edges = 2
    assert [trigger.number for trigger in unit.steps(3)] == [1, 2]

    receipt = receipt_for(7, box.epoch, [(1, ALERT, box._digest(1, ALERT) or b"")])
    assert unit.supervisor.courier._down.put(receipt.key, receipt.encode(), 0)
    unit.steps(60)
    assert box.in_state(DELETED) == [(0, 1, ALERT)]
    assert unit.supervisor.courier._down.ordered() == []

    unit.boot()
    unit.steps(60)
    assert len(box.in_state(STORED)) == 11
    assert unit.uplink.counts == {"skipped": 0, "unsendable": 0, "applied": 1, "partly": 0, "repeated": 0, "refused": 0}
    assert unit.supervisor.courier.dropped == 0


def test_in_service_the_firmware_says_how_the_unit_is_and_the_pi_ends_the_visit(box: Outbox, tmp_path: Path) -> None:
    unit = Unit(box, tmp_path / "flash", queue_bytes=20_000)
    unit.steps(60)
    words = unit.uplink.words
    assert words is not None
    assert (words.state, words.sf, words.frame_bytes, words.walked) == (ARMED, 9, usable_frame("cn470", 9), 0)
    assert (words.margin_db, words.partner_db, words.heard_s, words.battery, words.days_left) == (None,) * 5
    unit.board.held_ms = 3000
    unit.steps(4)
    unit.board.edges = 2
    walk = unit.steps(110)
    assert [trigger.in_service for trigger in walk] == [True, True]
    assert unit.uplink.words is not None
    assert (unit.uplink.words.state, unit.uplink.words.walked) == (SERVICE, 2)
    unit.uplink.visit_over()
    unit.steps(4)
    assert unit.uplink.mode == unit.supervisor.state == ARMED
    unit.board.edges = 1
    assert [trigger.in_service for trigger in unit.steps(4)] == [False]


def test_what_the_supervisor_refuses_does_not_hold_up_the_rest(outbox: Outbox, tmp_path: Path) -> None:
    outbox.declare_source(SOURCE, None)
    for position in range(8):
        outcome = kept(position)
        assert outcome.sighting is not None
        objects = list(outcome.sighting.objects)
        if position < 6:
            objects[0] = sealed(ALERT, b"an alert of another make")
        outbox.commit(replace(outcome, sighting=replace(outcome.sighting, objects=tuple(objects))))
    unit = Unit(outbox, tmp_path / "flash", queue_bytes=20_000)
    unit.steps(200)
    assert [(number, rung) for _, number, rung in outbox.in_state(WAITING)] == [(n, ALERT) for n in range(1, 7)]
    assert unit.uplink.counts["unsendable"] == 6


def test_a_full_flash_takes_the_alerts_first_and_the_rest_when_there_is_room(box: Outbox, tmp_path: Path) -> None:
    unit = Unit(box, tmp_path / "flash", queue_bytes=2_500)
    unit.steps(400)
    stored = box.in_state(STORED)
    assert [rung for _, _, rung in stored[:6]] == [ALERT] * 6
    assert 0 < len(box.in_state(WAITING)) < 6
    for _, number, rung in stored:
        unit.supervisor.courier._up.remove(box.key(number, rung))
    unit.steps(400)
    assert len(box.in_state(STORED)) > len(stored)


def test_the_pi_is_done_once_all_is_handed_over_and_leaves_when_it_is_told_to(box: Outbox, tmp_path: Path) -> None:
    unit = Unit(box, tmp_path / "flash", queue_bytes=20_000)
    unit.steps(1)
    assert box.in_state(WAITING)
    unit.uplink.idle(NOW + unit.board.ms)  # objects wait still: nothing is said
    unit.supervisor.step(unit.board.ms)
    assert not unit.supervisor._idle
    unit.board.edges = 1
    (trigger,) = unit.steps(4)
    unit.steps(60)
    assert box.in_state(WAITING) == []
    unit.uplink.idle(NOW + unit.board.ms)
    unit.steps(2)
    assert unit.supervisor._idle
    assert trigger.number == 1
    unit.supervisor.courier.say(line.LEAVE, b"")
    unit.steps(2)
    assert unit.uplink.leave
    unit.uplink.farewell()
    unit.steps(1)
    assert unit.supervisor._pi.state == pipower.LEAVING


def test_the_firmware_takes_an_alarm_first_and_a_scene_when_it_is_wanted(box: Outbox, tmp_path: Path) -> None:
    scene = box.notes.add_scene(sealed(SCENE, b"scene" * 500), NOW)
    alarm = box.notes.add_alarm(OPENED, NOW, 3, lambda number: b"signed")
    assert alarm is not None
    unit = Unit(box, tmp_path / "flash", queue_bytes=30_000)
    unit.steps(4)
    assert unit.supervisor.courier._up.ordered()[0][0].as_tuple() == (7, box.epoch, alarm, NOTE)
    unit.steps(60)
    assert (-1, alarm, NOTE) in box.in_state(STORED)
    assert (5, scene, SCENE) in box.in_state(HELD)
    box.want(scene, SCENE)
    unit.steps(20)
    assert (1, scene, SCENE) in box.in_state(STORED)
