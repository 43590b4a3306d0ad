"""A trap's own ledger over nights, power cuts and visits: what it says, signed, exactly once, and alarms before all."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cam_parts import NOW
from records import SOURCE, kept, rejected

from trapcam.clock import Clock
from trapcam.health.look import look_at
from trapcam.ledger import Ledger
from trapcam.outbox import Outbox, open_outbox
from trapcam.trigger import CAUSE_DAY, CAUSE_LID, Trigger
from trapkit.errors import StorageError
from trapkit.sealing import public_of, signature_is_valid
from trapwire.notes import (
    AFTER_OPENING,
    CAMERA_DEAD,
    CLOCK_UNTRUSTED,
    DAY,
    MOVED,
    OPENED,
    SERVICE,
    Note,
    decode_note,
    split,
    statement,
)
from trapwire.objects import NOTE
from trapwire.unitstates import PARKED
from trapwire.unitstates import SERVICE as IN_SERVICE

SEED = bytes(range(32))
MINUTE, HOUR, DAY_LONG = 60_000, 3_600_000, 86_400_000
TODAY = (NOW - 1_577_836_800_000) // DAY_LONG


class Trap:
    """A trap whose computer is started and let go by hand; `clock_off_ms`: what its clock is wrong by."""

    def __init__(self, folder: Path, *, trusted: bool = True) -> None:
        self.folder = folder
        self.now = NOW
        self.clock_off_ms = 0
        self.trusted = trusted
        self.number = 0
        self.outbox: Outbox | None = None

    def start(self) -> "Trap":
        self.outbox = open_outbox(self.folder, 7, self.now)
        self.outbox.declare_source(SOURCE, None)
        clock = Clock(
            1000 if self.trusted else None,
            system_ms=lambda: self.now + self.clock_off_ms,
            monotonic_ms=lambda: self.now,
        )
        self.ledger = Ledger(self.outbox, SEED, clock, lambda: self.now)
        return self

    def stop(self) -> None:
        assert self.outbox is not None
        self.outbox.close()
        self.outbox = None

    def wake(self, state: int = PARKED, for_ms: int = 20_000) -> None:
        """The supervisor wakes the computer for a moment."""
        self.number += 1
        self.start()
        self.step(state)
        self.now += for_ms
        self.step(state)
        self.stop()

    def step(self, state: int | None = PARKED) -> None:
        self.ledger.step(self.now + self.clock_off_ms, state, self.number)

    def notes(self) -> list[Note]:
        """Every note so far, in order, its signature proved."""
        box = self.outbox or open_outbox(self.folder, 7, self.now)
        found = []
        for (number,) in box._db.execute(
            "SELECT number FROM objects WHERE rung = ? ORDER BY number", (NOTE,)
        ).fetchall():
            envelope = box.envelope(number, NOTE)
            assert envelope is not None
            fields, signature = split(envelope.body)
            assert signature_is_valid(public_of(SEED), statement(7, box.epoch, number, fields), signature)
            found.append(decode_note(envelope.body))
        if self.outbox is None:
            box.close()
        return found


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    made = Trap(tmp_path / "data")
    yield made
    if made.outbox is not None:
        made.outbox.close()


def test_a_parked_trap_says_each_day_once_at_the_next_wake(trap: Trap) -> None:
    for _ in range(3 * 24 // 8):
        trap.wake()
        trap.now += 8 * HOUR
    days = [note.values for note in trap.notes()]
    assert [day["day"] for day in days] == [TODAY, TODAY + 1, TODAY + 2]
    assert (days[1]["watch"], days[1]["seen"], days[1]["off"]) == (1440, 1440, 0)
    assert (days[1]["triggers"], days[1]["starts"], days[1]["marks"]) == (3, 3, 0)
    trap.wake()
    assert len(trap.notes()) == 3


def test_what_it_judged_is_counted_on_its_day(trap: Trap) -> None:
    trap.wake()
    trap.start()
    assert trap.outbox is not None
    for position in range(4):
        made = kept(position) if position % 2 else rejected(position)
        trap.outbox.commit(replace(made, trigger=replace(made.trigger, at_ms=trap.now)))
    trap.stop()
    trap.now += DAY_LONG
    trap.wake()
    values = trap.notes()[-1].values
    assert (values["bursts"], values["sightings"]) == (4, 2)


@pytest.mark.parametrize("fails", range(12))
def test_a_power_cut_at_any_write_leaves_the_day_said_once_or_not_yet(trap: Trap, fails: int) -> None:
    trap.wake()
    trap.now += DAY_LONG
    trap.number += 1
    trap.start()
    assert trap.outbox is not None
    left = fails

    def dies(sql: str) -> None:
        nonlocal left
        if sql.split()[0].upper() in ("INSERT", "UPDATE", "DELETE", "COMMIT"):
            left -= 1
            if left < 0:
                raise MemoryError("the power went")

    db = trap.outbox._db
    trap.outbox.notes._db = _Dying(db, dies)  # type: ignore[assignment]
    with suppress(MemoryError):
        trap.step()
    if db.in_transaction:
        db.execute("ROLLBACK")
    trap.stop()
    trap.now += MINUTE
    trap.wake()
    assert [note.values["day"] for note in trap.notes()] == [TODAY]


class _Dying:
    """A connection whose power goes at a write."""

    def __init__(self, db: object, before: object) -> None:
        self._db, self._before = db, before

    def execute(self, sql: str, *parameters: object) -> object:
        self._before(sql)  # type: ignore[operator]
        return self._db.execute(sql, *parameters)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)


@pytest.mark.parametrize("off_ms", [-NOW, -50 * 365 * DAY_LONG, 15 * 365 * DAY_LONG])
def test_a_clock_of_another_year_makes_no_day(trap: Trap, off_ms: int) -> None:
    trap.wake()
    trap.trusted, trap.clock_off_ms = False, off_ms
    for _ in range(5):
        trap.now += 8 * HOUR
        trap.wake()
    assert trap.notes() == []
    trap.trusted, trap.clock_off_ms = True, 0
    trap.wake()
    days = [note.values for note in trap.notes()]
    assert [day["day"] for day in days] == [TODAY]
    assert days[0]["watch"] == 0, "nobody could vouch for the minutes"


def test_a_trap_that_is_never_told_the_time_says_so(trap: Trap) -> None:
    trap.trusted = False
    for _ in range(4):
        trap.wake()
        trap.now += 8 * HOUR
    assert [(n.values["day"], n.values["watch"], n.values["marks"]) for n in trap.notes()] == [
        (TODAY, 0, CLOCK_UNTRUSTED)
    ]


def test_days_without_power_have_no_line(trap: Trap) -> None:
    trap.wake()
    trap.now += 5 * DAY_LONG
    trap.number = 0  # the supervisor counts anew
    trap.wake()
    trap.now += DAY_LONG
    trap.wake()
    assert [note.values["day"] for note in trap.notes()] == [TODAY, TODAY + 5]


def lid(number: int, at_ms: int) -> Trigger:
    return Trigger(number=number, cause=CAUSE_LID, at_ms=at_ms)


def test_an_opened_lid_is_said_first_and_marks_what_follows_until_a_visit(trap: Trap) -> None:
    trap.start()
    assert trap.outbox is not None
    trap.outbox.commit(kept(0))
    trap.step()
    trap.ledger.on_trigger(lid(41, trap.now - 3000))
    assert [(number, rung) for _, number, rung in trap.outbox.waiting(1, 256)] == [(2, NOTE)]
    note = trap.notes()[0]
    assert (note.kind, note.values, note.time_ms) == (OPENED, {"trigger": 41}, trap.now - 3000)
    trap.ledger.on_trigger(lid(41, trap.now - 3000))
    assert len(trap.notes()) == 1, "the supervisor said it twice"
    for _ in range(2):
        trap.now += 16 * HOUR
        trap.step()
    assert trap.notes()[-1].values["marks"] & AFTER_OPENING
    trap.now += MINUTE
    trap.step(IN_SERVICE)
    trap.now += 10 * MINUTE
    trap.step()
    assert trap.outbox.notes.open_alarms() == []
    trap.now += 16 * HOUR
    trap.step()
    last = trap.notes()[-1]
    assert last.kind == DAY
    assert not last.values["marks"] & AFTER_OPENING
    assert last.values["reasons"] & SERVICE


def test_an_alarm_waits_for_a_card_that_is_full(trap: Trap) -> None:
    trap.start()
    assert trap.outbox is not None
    refused = trap.outbox.notes.add_alarm
    trap.outbox.notes.add_alarm = _refuse  # type: ignore[method-assign]
    trap.ledger.on_trigger(lid(3, trap.now))
    assert "full" in trap.ledger.trouble
    trap.outbox.notes.add_alarm = refused  # type: ignore[method-assign]
    for _ in range(3):
        trap.now += 6000
        trap.step()
    assert [note.kind for note in trap.notes()] == [OPENED]


def _refuse(*_: object) -> None:
    raise StorageError("card full")


def test_a_camera_that_gives_nothing_is_a_reason(trap: Trap) -> None:
    trap.start()
    trap.step()
    for position in range(3):
        trap.ledger.on_outcome(replace(rejected(position), outcome="unreadable"))
    trap.now += 11 * MINUTE
    trap.step()
    trap.now += 24 * HOUR
    trap.step()
    assert trap.notes()[-1].values["reasons"] & CAMERA_DEAD


def test_a_parked_trap_whose_bursts_cannot_be_read_finds_its_camera_dead_over_wakes(trap: Trap) -> None:
    for position in range(6):
        trap.number += 1
        trap.start()
        trap.step()
        trap.ledger.on_outcome(replace(rejected(position), outcome="unreadable"))
        trap.now += 20_000
        trap.step()
        trap.stop()
        trap.now += 8 * HOUR
    trap.wake()
    days = [note.values for note in trap.notes()]
    assert days[1]["reasons"] & CAMERA_DEAD
    assert days[1]["seen"] < days[1]["watch"]
    trap.start()
    trap.step()
    trap.ledger.on_outcome(rejected(9))
    trap.now += 11 * MINUTE
    trap.step()
    assert trap.outbox is not None
    moment = trap.outbox.notes.moment()
    assert moment is not None
    assert moment.reasons == 0, "one that can be read ends it"


def test_what_follows_a_lost_camera_is_not_seen(trap: Trap) -> None:
    trap.start()
    trap.number += 1
    trap.step()
    trap.now += HOUR
    trap.step()
    trap.ledger.camera_lost(trap.now, PARKED, trap.number)
    trap.stop()
    trap.now += 10 * HOUR  # its process could not be started meanwhile
    trap.wake()
    trap.now += 20 * HOUR
    trap.wake()
    values = trap.notes()[0].values
    assert values["reasons"] & CAMERA_DEAD
    assert values["seen"] <= values["watch"] - 600


def test_a_camera_that_does_not_start_is_a_reason_and_vouches_for_nothing(trap: Trap) -> None:
    trap.wake()
    trap.now += 4 * HOUR
    trap.start()
    trap.ledger.camera_lost(trap.now)
    trap.stop()
    trap.now += 4 * HOUR
    trap.wake()
    trap.now += 24 * HOUR
    trap.wake()
    values = trap.notes()[0].values
    assert values["reasons"] & CAMERA_DEAD
    assert values["starts"] == 3


def scene(position: int, shift: int) -> object:
    """The day's outcome over one scene of noise, `shift` pixels further right."""
    pixels = np.random.default_rng(4).integers(0, 255, (24, 48, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    made = rejected(position)
    look = look_at(np.roll(pixels, shift, axis=1))
    return replace(made, look=look, trigger=replace(made.trigger, cause=CAUSE_DAY))


def test_a_camera_that_looks_elsewhere_for_days_is_an_alarm_once_and_outlives_restarts(trap: Trap) -> None:
    for position in range(9):
        trap.number += 1
        trap.start()
        trap.step()
        trap.ledger.on_outcome(scene(position, 0 if position < 3 else 60))  # type: ignore[arg-type]
        trap.stop()
        trap.now += DAY_LONG
    moved = [note for note in trap.notes() if note.kind == MOVED]
    assert len(moved) == 1
    assert moved[0].values["right"] == pytest.approx(60 / 384 * 1000, abs=10)
    assert abs(moved[0].values["down"]) < 15
