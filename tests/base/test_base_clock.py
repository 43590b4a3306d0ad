"""What the base's clock is worth, with a clock of the test's own: kept right, left alone, leaping, never set."""

import json
from pathlib import Path

import pytest

from tests.base.test_radio import Base, words
from trapbase.radio import clock as clock_module
from trapbase.radio.clock import (
    MEMORY,
    REMEMBER_EVERY_MS,
    RTC_MS,
    RTC_WRITTEN_MS,
    SETTLE_MS,
    STATE,
    SURE_MS,
    BaseClock,
    read_clock,
)
from trapkit.kernelclock import KernelClock, Reading
from trapwire.words import TIME

SET = 1_790_000_000_000  # 2026-09-21
HOUR, DAY = 3_600_000, 86_400_000


class Machine:
    """A computer with a clock: `start` makes another boot of it, `pass_ms` lets time go by."""

    def __init__(self, folder: Path, utc_ms: int = SET, **settings: object) -> None:
        self.folder = folder
        self.utc_ms = utc_ms
        self.settings = settings
        self.start(rtc=True)

    def start(self, *, rtc: bool = True) -> None:
        """The machine, and the gateway on it."""
        self.boot = f"boot {self.utc_ms}"
        self.boot_ms = 5000
        self.rtc = rtc
        self.synced, self.error_ms = False, 0
        self.restart()

    def restart(self) -> None:
        """The gateway alone."""
        self.clock = BaseClock(self.folder, **self.settings)  # type: ignore[arg-type]

    @property
    def reading(self) -> Reading:
        return Reading(self.utc_ms, self.boot_ms, self.synced, self.error_ms, self.boot, self.rtc)

    def pass_ms(self, ms: int, every_ms: int = 30_000) -> int | None:
        for _ in range(max(1, ms // every_ms)):
            step = min(ms, every_ms)
            self.utc_ms += step
            self.boot_ms += step
            found = self.clock.step(self.reading)
        return found

    def keep_right(self, ms: int = RTC_WRITTEN_MS + 60_000, error_ms: int = 20) -> int | None:
        self.synced, self.error_ms = True, error_ms
        return self.pass_ms(ms)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_clock_that_nobody_keeps_right_is_worth_nothing_and_that_is_no_alarm(machine: Machine) -> None:
    assert machine.pass_ms(HOUR) is None
    assert machine.clock.trouble == ""
    assert "nobody keeps it right" in machine.clock.words


@pytest.mark.parametrize(("error_ms", "worth"), [(3, SURE_MS), (700, 700)])
def test_a_clock_that_is_kept_right_is_worth_what_the_kernel_was_told(
    machine: Machine, error_ms: int, worth: int
) -> None:
    assert machine.keep_right(error_ms=error_ms) == worth


def test_when_its_keeper_is_gone_it_is_worth_less_and_less(machine: Machine) -> None:
    machine.keep_right()
    machine.synced = False
    assert machine.pass_ms(10 * HOUR, HOUR // 60) == SURE_MS + 3600, "100 millionths of ten hours"
    assert "last kept right 10 h ago" in machine.clock.words


def test_a_restart_of_the_gateway_never_makes_it_better(machine: Machine) -> None:
    machine.keep_right()
    machine.synced = False
    before = machine.pass_ms(10 * HOUR)
    machine.restart()
    after = machine.clock.step(machine.reading)
    assert before is not None
    assert after is not None
    assert after >= before
    assert after - before <= REMEMBER_EVERY_MS * 100 // 1_000_000 + 100


def test_after_a_start_of_the_machine_a_real_time_clock_is_worth_its_drift(machine: Machine) -> None:
    machine.keep_right()
    machine.utc_ms += 30 * DAY
    machine.start()
    off_ms = machine.clock.step(machine.reading)
    assert off_ms is not None
    assert 259_200 + RTC_MS + SURE_MS <= off_ms <= 259_200 + RTC_MS + SURE_MS + 500
    machine.start(rtc=False)
    assert machine.clock.step(machine.reading) is None
    assert "no real-time clock" in machine.clock.words


def test_what_was_not_kept_right_long_enough_to_reach_the_real_time_clock_is_not_trusted(machine: Machine) -> None:
    machine.keep_right(RTC_WRITTEN_MS - 60_000)
    machine.start()
    assert machine.clock.step(machine.reading) is None


def test_a_drift_of_an_hour_is_worth_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, drift_ppm=10_000)
    machine.keep_right()
    machine.utc_ms += 5 * DAY
    machine.start()
    assert machine.clock.step(machine.reading) is None
    assert "too long" in machine.clock.words


@pytest.mark.parametrize(("by_ms", "words"), [(2 * HOUR, "leapt forward by 2 h"), (-DAY * 3, "leapt back by 3 days")])
@pytest.mark.parametrize("fixed_ms", [0, 2000])
def test_a_clock_that_leaps_is_worth_nothing_for_a_while(tmp_path: Path, by_ms: int, words: str, fixed_ms: int) -> None:
    machine = Machine(tmp_path, fixed_ms=fixed_ms)
    worth = machine.keep_right()
    machine.utc_ms += by_ms
    assert machine.pass_ms(1000) is None
    assert words in machine.clock.trouble
    assert machine.pass_ms(SETTLE_MS) == worth == (fixed_ms or SURE_MS), "whoever keeps it right vouches for it"
    assert machine.clock.trouble == ""


def test_a_leap_that_nobody_vouches_for_ends_what_was_known_for_good(machine: Machine) -> None:
    machine.keep_right()
    machine.synced = False
    machine.pass_ms(HOUR)
    machine.utc_ms += 90_000
    machine.pass_ms(SETTLE_MS + 60_000)
    assert machine.clock.uncertainty_ms is None
    assert machine.clock.trouble == ""
    machine.restart()
    assert machine.clock.step(machine.reading) is None
    assert not (machine.folder / MEMORY).exists()


def test_a_leap_while_the_gateway_was_off_is_seen(machine: Machine) -> None:
    machine.keep_right()
    machine.synced = False
    machine.pass_ms(HOUR)
    machine.utc_ms -= 10_000
    machine.restart()
    assert machine.clock.step(machine.reading) is None
    assert "leapt back by 10 s" in machine.clock.trouble


def test_a_correction_within_what_a_clock_may_drift_is_no_leap(machine: Machine) -> None:
    machine.keep_right()
    for _ in range(60):
        machine.utc_ms += 30  # as fast as NTP slews
        assert machine.pass_ms(60_000) == SURE_MS


@pytest.mark.parametrize(("utc_ms", "year"), [(0, 1970), (946_684_800_000, 2000), (4_070_908_800_000, 2099)])
@pytest.mark.parametrize("fixed_ms", [0, 50])
def test_a_year_that_cannot_be_is_said_and_traps_get_no_time(
    tmp_path: Path, utc_ms: int, year: int, fixed_ms: int
) -> None:
    machine = Machine(tmp_path, utc_ms, fixed_ms=fixed_ms)
    assert machine.keep_right() is None, "whoever keeps it"
    assert f"the clock says {year}: traps get no time until it is set" in machine.clock.trouble
    machine.utc_ms = SET
    machine.pass_ms(1000)
    assert machine.pass_ms(SETTLE_MS) == (fixed_ms or SURE_MS), "once it was set it is as good as any"


def test_a_start_before_a_time_that_the_clock_had_is_said(machine: Machine) -> None:
    machine.keep_right()
    machine.utc_ms -= 40 * DAY
    machine.start()
    assert machine.clock.step(machine.reading) is None
    assert "40 days before a time that it had" in machine.clock.trouble
    machine.utc_ms += 40 * DAY
    machine.synced = True
    machine.pass_ms(1000)
    assert machine.pass_ms(SETTLE_MS) == SURE_MS


def test_off_is_off_and_the_operators_word_counts(tmp_path: Path) -> None:
    assert Machine(tmp_path / "a", auto=False).keep_right() is None
    assert Machine(tmp_path / "b", auto=False, fixed_ms=60_000).keep_right() == 60_000


@pytest.mark.parametrize("text", ["", "[]", "{", '{"boot": 1}', '{"boot": "x", "utc_ms": -1}', "\x00" * 5000])
def test_a_damaged_memory_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / MEMORY).write_text(text)
    (tmp_path / STATE).write_text(text)
    assert Machine(tmp_path).pass_ms(1000) is None
    assert read_clock(tmp_path) is None


def test_a_disk_that_refuses_costs_memory_and_nothing_else(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "no such folder")
    assert machine.keep_right() == SURE_MS
    machine.clock.write(machine.reading)


def test_it_is_written_down_for_people(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.keep_right()
    machine.clock.write(machine.reading)
    first = read_clock(machine.folder)
    assert first == json.loads((machine.folder / STATE).read_text())
    assert first is not None
    assert (first["uncertainty_ms"], first["trouble"]) == (SURE_MS, "")
    written: list[object] = []
    monkeypatch.setattr(clock_module, "write_atomically", lambda *args: written.append(args))
    for _ in range(50):
        machine.pass_ms(1000)
        machine.clock.write(machine.reading)
    assert not written, "once a minute"
    machine.utc_ms += HOUR
    machine.pass_ms(1000)
    machine.clock.write(machine.reading)
    assert len(written) == 1, "and when it changes"


def test_traps_are_told_the_time_only_while_the_clock_is_worth_something(machine: Machine) -> None:
    base = Base()
    base.gateway._clock = lambda now_ms, utc_ms: machine.clock.uncertainty_ms

    def told() -> bool:
        base.hear(base.beat(), a=0)
        base.step(HOUR)
        found = TIME in [item[0] for item in words(base.a)]
        base.answers()
        return found

    assert not told()
    machine.keep_right()
    assert told()
    machine.utc_ms += DAY
    machine.pass_ms(1000)
    assert not told()


def test_the_kernel_is_asked_for_real(tmp_path: Path) -> None:
    (tmp_path / "rtc0").mkdir()
    (tmp_path / "rtc0" / "hctosys").write_text("1\n")
    (tmp_path / "boot_id").write_text("a-b-c\n")
    reading = KernelClock(tmp_path / "boot_id", tmp_path).read()
    assert (reading.boot, reading.rtc) == ("a-b-c", True)
    again = KernelClock(tmp_path / "none", tmp_path / "none").read()
    assert (again.boot, again.rtc) == ("", False)
    assert 0 <= again.boot_ms - reading.boot_ms < 60_000
    assert 0 <= reading.error_ms <= 3_600_000
