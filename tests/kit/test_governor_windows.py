"""The governor under a search: what it lets out never breaks a window, a dwell or the alerts' tenth.

Here and not beside `tests/wire/test_governor.py`, since MicroPython has no hypothesis. The judge is the rule itself
on the true times (`tests/wire/windows.py`); it knows nothing of buckets.
"""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.wire.windows import HOUR_MS, Unit

from trapwire.governor import BUCKETS, SNAPSHOT_BYTES, Governor
from trapwire.plans import PLANS

BUCKET_US = HOUR_MS * 1000 // BUCKETS
HOUR_US = HOUR_MS * 1000
# Where something could go wrong: about a bucket's end, about a window's, and anywhere.
spans_us = st.one_of(
    st.sampled_from([0, 1, 999, 1000, BUCKET_US, HOUR_US, HOUR_US + BUCKET_US, HOUR_US - BUCKET_US]).flatmap(
        lambda at: st.integers(max(0, at - 2_000_000), at + 2_000_000)
    ),
    st.integers(0, 3 * HOUR_US),
)
airtimes_us = st.one_of(st.integers(1, 36_000_000), st.sampled_from([41_216, 329_728, 1_250_304, 9_019_392]))
lates_us = st.integers(0, 1_000_000)
known = st.one_of(st.none(), st.integers(0, 100))
plans = st.sampled_from(sorted(PLANS))

sends = st.tuples(st.just("send"), airtimes_us, st.booleans(), lates_us)
floods = st.tuples(st.just("flood"), airtimes_us, st.booleans(), st.integers(1, 40))
insists = st.tuples(st.just("insist"), airtimes_us, st.booleans(), lates_us)
pauses = st.tuples(st.just("pause"), spans_us)
resets = st.tuples(st.just("reset"), spans_us, known)
clocks = st.tuples(st.just("back"), st.integers(1, 3 * HOUR_MS))
courses = st.lists(st.one_of(sends, floods, insists, pauses, resets, clocks), max_size=40)


def live(unit: Unit, course: list[tuple]) -> None:
    for what, *values in course:
        if what == "pause":
            unit.pass_us(values[0])
        elif what == "reset":
            assert unit.reset(*values)
        elif what == "back":
            unit.clock_back(values[0])
        elif what == "flood":
            micros, urgent, count = values
            for _ in range(count):
                unit.send(micros, urgent)
        else:
            micros, urgent, late = values
            wait = unit.wait_ms(micros, urgent)
            if what == "insist" and wait is not None:
                unit.pass_us(wait * 1000)
            unit.send(micros, urgent, late)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=plans, begun=st.integers(0, 10**10), course=courses)
def test_no_course_of_things_breaks_a_rule(name: str, begun: int, course: list[tuple]) -> None:
    unit = Unit(name, begun)
    live(unit, course)
    assert unit.broken() == ""


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(course=st.lists(st.one_of(sends, floods, insists, pauses, resets), max_size=30))
def test_alerts_find_their_tenth_after_ordinary_frames_alone(course: list[tuple]) -> None:
    unit = Unit("eu868")
    live(unit, [(c[0], c[1], False, *c[3:]) if c[0] in ("send", "flood", "insist") else c for c in course])
    for _ in range(10):
        assert unit.send(360_000, urgent=True)
    assert unit.broken() == ""


@given(
    data=st.binary(max_size=SNAPSHOT_BYTES + 9), now=st.integers(0, 10**12), away=st.one_of(st.none(), st.integers())
)
def test_no_snapshot_raises(data: bytes, now: int, away: int | None) -> None:
    governor = Governor("eu868", now)
    assert not governor.restore(data, now, away)
    assert governor.left_permille(now) == 0
