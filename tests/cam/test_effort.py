"""The effort ledger: what a trap may say of its time, over power cuts, sleep and clocks that jump."""

import pytest

from trapcam.effort import DAY_MS, EPOCH_2020_MS, Moment, Share, count, day_values, is_trusted
from trapwire.notes import CLOCK_JUMPED, CLOCK_UNTRUSTED, DAY, LAMP_FAILED, OBSCURED, SERVICE, Note
from trapwire.unitstates import PARKED, SAFE, SHOOTING
from trapwire.unitstates import SERVICE as IN_SERVICE

HOUR = 3_600_000
NOON = EPOCH_2020_MS + 2571 * DAY_MS + DAY_MS // 2  # 2027-01-15 12:00 UTC
TODAY = 2571


def moment(at_ms: int = NOON, *, trusted: bool = True, state: int | None = PARKED, number: int | None = 5,
           reasons: int = 0) -> Moment:  # fmt: skip
    return Moment(at_ms=at_ms, trusted=trusted, unit_state=state, trigger_no=number, reasons=reasons)


def asleep(last: Moment | None, now: Moment) -> dict[int, tuple[int, int, int]]:
    """(watch, seen, off) in minutes by day."""
    return minutes(count(last, now, True, None, False))


def minutes(shares: list[Share] | None) -> dict[int, tuple[int, int, int]]:
    found: dict[int, tuple[int, int, int]] = {}
    for share in shares or ():
        a, b, c = found.get(share.day, (0, 0, 0))
        found[share.day] = (a + share.watch_s // 60, b + share.seen_s // 60, c + share.off_s // 60)
    return found


def test_a_parked_day_is_shared_out_at_midnight() -> None:
    last, now = moment(number=5), moment(NOON + 24 * HOUR, number=9)
    assert asleep(last, now) == {TODAY: (720, 720, 0), TODAY + 1: (720, 720, 0)}
    shares = count(last, now, True, None, False)
    assert shares is not None
    assert sum(share.triggers for share in shares) == 4
    assert sum(share.starts for share in shares) == 1


@pytest.mark.parametrize(
    ("last", "now"),
    [
        pytest.param(moment(number=5), moment(NOON + 5 * HOUR, number=1), id="the supervisor was without power"),
        pytest.param(moment(number=5), moment(NOON + 27 * HOUR, number=6), id="longer than it sleeps while it watches"),
        pytest.param(moment(number=None), moment(NOON + 5 * HOUR, number=6), id="no count of triggers before"),
        pytest.param(moment(), moment(NOON + 5 * HOUR, number=None), id="none now"),
        pytest.param(moment(), moment(NOON + 5 * HOUR, state=None), id="nobody said the state"),
        pytest.param(moment(trusted=False), moment(NOON + 5 * HOUR), id="the clock was not trusted before"),
        pytest.param(moment(), moment(NOON + 5 * HOUR, trusted=False), id="it is not now"),
        pytest.param(moment(), moment(NOON + 5 * HOUR, state=SAFE), id="it went into safe mode somewhen"),
    ],
)
def test_what_nobody_vouches_for_is_unknown(last: Moment, now: Moment) -> None:
    assert asleep(last, now) == {TODAY + int(now.at_ms >= NOON + 12 * HOUR): (0, 0, 0)}


def test_no_supervisor_vouches_for_no_sleep_and_a_trap_alone_for_its_waking() -> None:
    last, now = moment(state=None, number=None), moment(NOON + HOUR // 2, state=None, number=None)
    assert minutes(count(last, now, True, None, True)) == {TODAY: (0, 0, 0)}
    assert minutes(count(last, now, False, HOUR // 2, True)) == {TODAY: (30, 30, 0)}
    assert minutes(count(last, now, False, HOUR // 2, False)) == {TODAY: (0, 0, 0)}


def test_awake_it_lives_through_the_time_itself() -> None:
    last, now = moment(state=SHOOTING), moment(NOON + 600_000, number=None)
    assert minutes(count(last, now, False, 600_000, False)) == {TODAY: (10, 10, 0)}


def test_into_a_service_visit_it_was_on_watch_and_in_it_is_not() -> None:
    last, now = moment(number=5), moment(NOON + 2 * HOUR, number=6, state=IN_SERVICE)
    assert asleep(last, now) == {TODAY: (120, 120, 0)}
    later = moment(NOON + 2 * HOUR + 600_000, state=IN_SERVICE)
    shares = count(now, later, False, 600_000, False)
    assert minutes(shares) == {TODAY: (0, 0, 10)}
    assert shares is not None
    assert shares[0].reasons == SERVICE


@pytest.mark.parametrize(("before", "after"), [(OBSCURED, 0), (0, LAMP_FAILED), (OBSCURED, OBSCURED)])
def test_seen_is_only_what_both_ends_saw(before: int, after: int) -> None:
    last, now = moment(number=5, reasons=before), moment(NOON + HOUR, number=5, reasons=after)
    assert asleep(last, now) == {TODAY: (60, 0, 0)}
    shares = count(last, now, True, None, False)
    assert shares is not None
    assert shares[0].reasons == before | after


@pytest.mark.parametrize("at_ms", [0, 1_577_836_800_000, NOON + 14 * 365 * DAY_MS, NOON - 2 * 365 * DAY_MS])
def test_a_clock_of_another_year_counts_nothing(at_ms: int) -> None:
    assert count(moment(), moment(at_ms, trusted=False), True, None, False) is None
    assert not is_trusted(0, 100)
    assert not is_trusted(NOON, None)
    assert not is_trusted(NOON, HOUR)
    assert is_trusted(NOON, 1000)


def test_a_jump_makes_no_minutes_and_is_said() -> None:
    last, now = moment(), moment(NOON + 50 * DAY_MS)
    shares = count(last, now, False, 600_000, False)
    assert shares is not None
    assert [(share.day, share.watch_s, share.marks) for share in shares] == [(TODAY + 50, 0, CLOCK_JUMPED)]
    back = count(last, moment(NOON - 3 * DAY_MS), True, None, False)
    assert back is not None
    assert [(share.watch_s, share.marks) for share in back] == [(0, CLOCK_JUMPED)]


def test_minutes_counted_in_small_steps_lose_nothing() -> None:
    total, last = 0, moment(NOON + 333)
    for step in range(1, 601):
        now = moment(NOON + 333 + step * 1777)
        total += sum(share.watch_s for share in count(last, now, False, 1777, False) or ())
        last = now
    assert total == (NOON + 333 + 600 * 1777) // 1000 - (NOON + 333) // 1000


def test_a_days_fields_fit_a_note_whatever_was_counted() -> None:
    wild = Share(day=TODAY, watch_s=10**6, seen_s=10**7, off_s=10**6, reasons=3, triggers=10**6, starts=999)
    values = day_values(wild, 10**6, 10**6, {"opened"})
    assert Note(DAY, NOON, None, values).values["watch"] == 1440
    assert values["marks"] & CLOCK_UNTRUSTED
    assert (values["off"], values["starts"], values["triggers"]) == (0, 255, 0xFFFF)
