"""The day's picture of the empty scene, in a whole trap: never with anybody in it, sealed, one a day; alarms first."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from cam_parts import BASE, CAT, NOTHING, NOW, PERSON, ColourJudge, PtySupervisor, sealer, write_picture
from conftest import TRAP, Unit

from trapcam.app import TrapApp
from trapcam.capture import Capture, Policy
from trapcam.clock import Clock
from trapcam.ledger import Ledger
from trapcam.status import read_status
from trapcam.trigger import CAUSE_DAY, CAUSE_LID, CAUSE_PIR
from trapkit.sealing import open_box
from trapwire import serialline as kinds
from trapwire.notes import OPENED, decode_note
from trapwire.objects import ALERT, NOTE, SCENE
from trapwire.unitstates import ARMED


@pytest.fixture
def unit(make_unit: Callable[..., Unit], pictures: Path, supervisor: PtySupervisor) -> Callable[..., Unit]:
    """A trap with a ledger, over pictures that show what is asked for."""

    def build(*corners: tuple[int, int, int]) -> Unit:
        for number, corner in enumerate(corners):
            write_picture(pictures / f"{number}.png", corner, seed=number)
        made = make_unit()
        clock = Clock(500, system_ms=lambda: made.now, monotonic_ms=lambda: made.now)
        made.ledger = Ledger(made.outbox, bytes(32), clock, lambda: made.now)  # type: ignore[attr-defined]
        capture = Capture(ColourJudge(), sealer(), Policy())
        made.app = TrapApp(
            made.camera, capture, made.outbox, made.uplink,
            clock=clock, ledger=made.ledger, report=made.lines.append,  # type: ignore[attr-defined]
        )  # fmt: skip
        made.steps(4)
        supervisor.say(kinds.MODE, bytes([ARMED, 255]))
        made.steps(2)
        return made

    return build


def wake(unit: Unit, number: int, cause: int) -> None:
    unit.supervisor.say(kinds.WAKE, struct.pack(">IB", number, cause))
    unit.steps(4)


def objects(unit: Unit, rung: int) -> list[int]:
    rows = unit.outbox._db.execute("SELECT number FROM objects WHERE rung = ? ORDER BY number", (rung,)).fetchall()
    return [row[0] for row in rows]


def test_the_supervisors_daily_wake_gives_one_sealed_scene(unit: Callable[..., Unit]) -> None:
    trap = unit(NOTHING, NOTHING)
    wake(trap, 1, CAUSE_DAY)
    wake(trap, 2, CAUSE_PIR)
    (number,) = objects(trap, SCENE)
    envelope = trap.outbox.envelope(number, SCENE)
    assert envelope is not None
    opened = open_box(bytes(BASE), envelope.body)
    assert opened is not None
    assert opened[8:12] == b"WEBP"
    assert len(opened) <= 3000
    assert trap.outbox._db.execute("SELECT count(*) FROM audit_cells").fetchone()[0] == 0


def test_nobody_is_ever_in_a_scene_and_the_next_quiet_burst_gives_it(unit: Callable[..., Unit]) -> None:
    trap = unit(PERSON, CAT, NOTHING, NOTHING)
    wake(trap, 1, CAUSE_DAY)
    assert objects(trap, SCENE) == []
    wake(trap, 2, CAUSE_PIR)
    assert (objects(trap, ALERT), objects(trap, SCENE)) == ([1], [])
    wake(trap, 3, CAUSE_PIR)
    wake(trap, 4, CAUSE_PIR)
    assert objects(trap, SCENE) == [2]


def test_an_opened_lid_is_in_the_outbox_before_its_burst_and_nothing_of_the_visitor(unit: Callable[..., Unit]) -> None:
    trap = unit(PERSON, CAT)
    wake(trap, 9, CAUSE_LID)
    (number,) = objects(trap, NOTE)
    envelope = trap.outbox.envelope(number, NOTE)
    assert envelope is not None
    note = decode_note(envelope.body)
    assert (note.kind, note.values) == (OPENED, {"trigger": 9})
    assert abs(note.time_ms - NOW) < 10_000
    assert trap.outbox._db.execute("SELECT count(*) FROM bursts").fetchone()[0] == 0
    trap.steps(20)
    puts = [payload for kind, payload in trap.supervisor.heard if kind == kinds.PUT]
    assert puts[0][0] == 0
    assert puts[0][2] == NOTE
    status = read_status(trap.outbox._folder, TRAP)
    assert [alarm["kind"] for alarm in status["alarms"]] == ["opened"]


def test_no_picture_of_the_scene_lies_on_the_card_in_the_clear(unit: Callable[..., Unit]) -> None:
    trap = unit(*[NOTHING] * 3)
    for number in range(3):
        wake(trap, number + 1, CAUSE_DAY)
    kept = trap.outbox._db.execute("SELECT sum(length(value)) FROM health").fetchone()[0]
    assert 0 < kept < 6 * 700 + 300
    raw = b"".join(path.read_bytes() for path in trap.outbox._folder.rglob("*") if path.is_file())
    for mark in (b"WEBPVP8", b"\xff\xd8\xff", b"\x89PNG"):
        assert mark not in raw
