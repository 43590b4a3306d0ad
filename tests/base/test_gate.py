"""When a way out may be used: breaker, hours, budget; in virtual time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trapbase.config import UploadSettings
from trapbase.gate import BREAK_AFTER, CLOSED, HALF_OPEN, OPEN, ForgetfulLedger, Gate, day_of, opens_in_ms

ZONE = ZoneInfo("Asia/Vladivostok")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def utc(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def gate(ledger: ForgetfulLedger | None = None, **more: object) -> Gate:
    return Gate(UploadSettings(retry_min_s=1, retry_max_s=60, **more), lambda: 1.0, ZONE, ledger)  # type: ignore[arg-type]


def test_the_fifth_failure_in_a_row_opens_the_breaker_and_one_try_decides() -> None:
    made, now = gate(), 0
    for failures in range(1, BREAK_AFTER + 1):
        assert made.may_try(now, now)
        made.failed(now, "no connection")
        assert made.state(now) == (OPEN if failures == BREAK_AFTER else CLOSED)
        assert not made.may_try(now, now)
        now += 1000 * 2 ** (failures - 1)
    assert made.state(now) == HALF_OPEN
    assert made.may_try(now, now)
    made.failed(now, "no connection")
    assert made.state(now) == OPEN
    assert not made.may_try(now + 31_999, now)
    assert made.may_try(now + 32_000, now)
    made.worked()
    assert made.state(now + 32_000) == CLOSED
    made.failed(now + 32_000, "again")
    assert made.may_try(now + 33_000, now), "the count begins anew"


def test_a_pause_that_was_asked_for_is_kept_and_is_a_day_at_most() -> None:
    made = gate()
    made.failed(0, "429", 90_000)
    assert not made.may_try(89_999, 0)
    assert made.may_try(90_000, 0)
    made.failed(90_000, "429", 10**15)
    assert made.may_try(90_000 + DAY_MS, 0)


@pytest.mark.parametrize(
    ("hours", "time", "waits_h"),
    [
        ("", "2026-01-01T00:00", 0),
        ("22:00-06:00", "2026-01-01T12:00", 0),  # 22:00 there
        ("22:00-06:00", "2026-01-01T19:59", 0),  # 05:59
        ("22:00-06:00", "2026-01-01T20:00", 16),  # 06:00: over
        ("08:00-09:00", "2026-01-01T22:00", 0),  # 08:00
        ("08:00-09:00", "2026-01-01T23:00", 23),
        ("08:00-09:00", "2026-01-01T21:30", 0.5),
    ],
)
def test_hours_are_those_of_the_bases_zone(hours: str, time: str, waits_h: float) -> None:
    assert opens_in_ms(hours, ZONE, utc(time)) == waits_h * HOUR_MS
    assert gate(hours=hours).may_try(0, utc(time)) == (waits_h == 0)


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(utc("2026-01-01T00:00"), utc("2027-01-01T00:00")))
def test_after_the_wait_it_is_open_wherever_it_was(start: int, end: int, at_ms: int) -> None:
    hours = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    if start != end:
        wait_ms = opens_in_ms(hours, ZONE, at_ms)
        assert 0 <= wait_ms < DAY_MS
        assert opens_in_ms(hours, ZONE, at_ms + wait_ms) == 0


def test_a_days_budget_is_spent_once_and_outlasts_a_restart() -> None:
    ledger = ForgetfulLedger()
    made, now = gate(ledger, budget_kib=10), utc("2026-01-01T03:00")
    assert made.room(now) == 10_240
    made.count(6000)
    assert made.room(now) == 4240, "what is not written yet counts"
    made.settle(0, now)
    again = gate(ledger, budget_kib=10)
    assert again.room(now) == 4240
    again.count(3000)
    assert again.may_try(0, now) is False, "less is left than a request has"
    again.settle(1, now)
    midnight = utc("2026-01-01T14:00")  # there
    assert not again.may_try(2, midnight - 1)
    assert again.may_try(3, midnight)
    assert again.room(midnight) == 10_240
    assert ledger.days == {day_of(now, ZONE): 9000}


def test_a_clock_that_goes_back_over_midnight_gives_no_second_budget() -> None:
    ledger = ForgetfulLedger()
    made, now = gate(ledger, budget_kib=10), utc("2026-01-01T13:59")
    made.count(9000)
    made.settle(0, now)
    assert made.may_try(1, now + 60_000)
    assert not made.may_try(2, now)


def test_without_a_budget_bytes_are_written_now_and_then() -> None:
    ledger = ForgetfulLedger()
    made, now = gate(ledger), utc("2026-01-01T00:00")
    made.count(500)
    made.settle(1000, now)
    assert ledger.days == {}
    assert made.room(now) is None
    made.count(500)
    made.settle(61_000, now)
    assert ledger.days == {day_of(now, ZONE): 1000}


def test_a_person_who_asks_ends_the_pause() -> None:
    ledger = ForgetfulLedger()
    made = gate(ledger)
    assert made.may_try(0, 0)
    for _ in range(9):
        made.failed(0, "no")
    assert not made.may_try(1000, 0)
    ledger.pokes += 1
    assert made.may_try(2000, 0)
    assert made.pokes == 1
    assert made.state(2000) == CLOSED


def test_what_stands_is_told_when_it_changes_with_the_time_of_the_next_try() -> None:
    ledger = ForgetfulLedger()
    made, now = gate(ledger), utc("2026-01-01T00:00")
    made.failed(5000, "no connection")
    made.settle(5000, now)
    assert ledger.standing.until_ms == now + 1000
    assert (ledger.standing.failures, ledger.standing.error) == (1, "no connection")
    made.worked()
    made.settle(6000, now + 1000)
    assert ledger.standing.failures == 0
    assert ledger.standing.error == ""
