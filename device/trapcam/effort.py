"""The effort ledger's decision: what may be said of the time between two moments (pure; decision 015).

A parked trap is on watch while its supervisor is, and its computer is off. So the computer vouches for a stretch it did
not live through only where all of this holds: the unit was on watch at both; the
supervisor's count of triggers went on, so it was not without power; and the stretch is no longer than a day and some,
because it wakes the computer once a day while it watches. All else is unknown, and so is every stretch at one end of
which the clock is not trusted: it makes no minutes, and a jump makes no days.

Seen is what was watched between two moments at both of which nothing stood before the lens: where they differ, the
worse one counts.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from trapwire.alert import TIME_BASE_UNIX_MS
from trapwire.notes import (
    AFTER_MOVING,
    AFTER_OPENING,
    CARD_WORN,
    CLOCK_JUMPED,
    CLOCK_UNTRUSTED,
    MINUTES,
    SAVING,
    SERVICE,
)
from trapwire.unitstates import ARMED, PARKED, SAFE, SENDING, SHOOTING
from trapwire.unitstates import SAVING as STATE_SAVING
from trapwire.unitstates import SERVICE as STATE_SERVICE

EPOCH_2020_MS = TIME_BASE_UNIX_MS  # days are counted from there
DAY_MS = 86_400_000
WATCHING = (PARKED, ARMED, SHOOTING, SENDING)
OFF = {STATE_SERVICE: SERVICE, STATE_SAVING: SAVING, SAFE: SAVING}
MAX_SLEEP_MS = 26 * 3_600_000  # the supervisor wakes the computer once a day; the minute it does that may be changed
MAX_AWAKE_MS = 3_600_000  # between two moments of one run; longer, and it hung
TRUST_MS = 900_000  # a clock that may be off by more cannot tell a day's minutes
JUMP_MS = 60_000  # beside the uncertainty: by more a clock was set, and did not drift
FIRST_MS = 1_767_225_600_000  # 2026-01-01: no trap was built before
MAX_UNTRUSTED_MS = 36 * 3_600_000  # how far a clock that nobody vouches for may go on between two moments
MAX_COUNT = 0xFFFF


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A moment that the trap can tell: Unix ms and whether the clock is trusted, the unit's state (None: nobody said
    it), the number of its newest trigger (None: none came yet), and why the camera cannot see, as `REASONS` (0: it
    can)."""

    at_ms: int
    trusted: bool
    unit_state: int | None
    trigger_no: int | None
    reasons: int


@dataclass(frozen=True, kw_only=True)
class Share:
    """What falls on one UTC day (`day` since 2020-01-01), in seconds and counts; bits as in a day's note."""

    day: int
    watch_s: int = 0
    seen_s: int = 0
    off_s: int = 0
    reasons: int = 0
    triggers: int = 0
    starts: int = 0
    marks: int = 0
    trusted: bool = False

    def as_row(self) -> dict[str, int]:
        """As the outbox keeps it."""
        return {**self.__dict__, "trusted": int(self.trusted)}

    @staticmethod
    def of_row(row: Any) -> "Share":
        """From such a row."""
        return Share(**{**dict(row), "trusted": bool(row["trusted"])})


def date_of(day: int) -> str:
    """ISO date of a day since 2020-01-01, UTC."""
    return datetime.fromtimestamp((EPOCH_2020_MS + day * DAY_MS) // 1000, UTC).strftime("%Y-%m-%d")


def is_trusted(at_ms: int, uncertainty_ms: int | None) -> bool:
    """Whether a clock that says `at_ms`, and may be off by so much, may count minutes."""
    return uncertainty_ms is not None and uncertainty_ms <= TRUST_MS and FIRST_MS <= at_ms < EPOCH_2020_MS + (1 << 40)


def count(last: Moment | None, now: Moment, slept: bool, elapsed_ms: int | None, alone: bool) -> list[Share] | None:
    """The shares of the time from `last` to `now`; None: `now` cannot be believed, and nothing is counted from it.

    slept: the program was started in between (or never ran before); elapsed_ms: what a clock that nobody sets says,
    where it ran through; alone: there is no supervisor, and the trap watches by itself while it is awake.
    """
    if not FIRST_MS <= now.at_ms < EPOCH_2020_MS + (1 << 40):
        return None
    if not now.trusted and last is not None and not 0 <= now.at_ms - last.at_ms <= MAX_UNTRUSTED_MS:
        return None
    today = (now.at_ms - EPOCH_2020_MS) // DAY_MS
    here = Share(day=today, starts=int(slept), trusted=now.trusted, triggers=_triggers(last, now))
    here = replace(here, reasons=now.reasons | OFF.get(now.unit_state if now.unit_state is not None else -1, 0))
    if last is None:
        return [here]
    if not (last.trusted and now.trusted):
        return [here]  # that there was such a day, and nothing of it
    span_ms = now.at_ms - last.at_ms
    if elapsed_ms is not None and abs(span_ms - elapsed_ms) > JUMP_MS:
        return [replace(here, marks=CLOCK_JUMPED)]
    if span_ms < 0:
        return [replace(here, marks=CLOCK_JUMPED if span_ms < -JUMP_MS else 0)]
    watched, off = _vouched(last, now, slept, span_ms, alone)
    if not (watched or off):
        return [here]
    reasons = last.reasons | now.reasons
    shares = []
    at_ms = last.at_ms
    while at_ms < now.at_ms:
        day = (at_ms - EPOCH_2020_MS) // DAY_MS
        end_ms = min(now.at_ms, EPOCH_2020_MS + (day + 1) * DAY_MS)
        # Seconds of the day, so that shares that are counted often lose nothing to rounding.
        seconds = end_ms // 1000 - at_ms // 1000
        shares.append(
            Share(
                day=day,
                watch_s=seconds if watched else 0,
                seen_s=seconds if watched and not reasons else 0,
                off_s=seconds if off else 0,
                reasons=reasons | (OFF.get(last.unit_state or 0, 0) if off else 0),
                trusted=True,
            )
        )
        at_ms = end_ms
    return [*shares, here]


def _vouched(last: Moment, now: Moment, slept: bool, span_ms: int, alone: bool) -> tuple[bool, bool]:
    """Whether the trap was on watch from one moment to the other, and whether it is known not to have been."""
    if slept:
        goes_on = last.trigger_no is not None and now.trigger_no is not None and now.trigger_no >= last.trigger_no
        if alone or not goes_on or span_ms > MAX_SLEEP_MS:
            return False, False
    elif span_ms > MAX_AWAKE_MS:
        return False, False
    if alone and last.unit_state is None and now.unit_state is None:
        return True, False
    if last.unit_state in OFF:
        return False, now.unit_state in OFF
    # Into a service visit the unit goes by its switch, and wakes the computer at once: until then it was on watch.
    watched = last.unit_state in WATCHING and (now.unit_state in WATCHING or now.unit_state == STATE_SERVICE)
    return watched, False


def _triggers(last: Moment | None, now: Moment) -> int:
    if last is None or last.trigger_no is None or now.trigger_no is None:
        return 0
    return min(max(0, now.trigger_no - last.trigger_no), MAX_COUNT)


def day_values(
    share: Share, bursts: int, sightings: int, alarms: Collection[str] = (), *, worn: bool = False
) -> dict[str, int]:
    """The fields of a day's note; alarms: those that mark the epoch, by kind; worn: the card wears out."""
    marks = share.marks | (0 if share.trusted else CLOCK_UNTRUSTED) | (CARD_WORN if worn else 0)
    for kind, bit in (("opened", AFTER_OPENING), ("moved", AFTER_MOVING)):
        marks |= bit if kind in alarms else 0
    watch = min(share.watch_s // 60, MINUTES)
    return {
        "day": share.day,
        "watch": watch,
        "seen": min(share.seen_s // 60, watch),
        "off": min(share.off_s // 60, MINUTES - watch),
        "reasons": share.reasons,
        "triggers": min(share.triggers, MAX_COUNT),
        "bursts": min(bursts, MAX_COUNT),
        "sightings": min(sightings, MAX_COUNT),
        "starts": min(share.starts, 255),
        "marks": marks,
    }
