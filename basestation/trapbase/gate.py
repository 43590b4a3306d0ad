"""Whether a way out of the base may be used now: its breaker, its hours and its bytes of the day. Pure.

    breaker      what happens                              next
    closed       a failure                                 closed, after a pause
                 the fifth failure in a row                open
    open         its pause is over                         half-open
    half-open    one try gets through                      closed
                 it fails                                  open, for longer

Pauses grow and are spread at random. Hours and budget are for links that are paid by the byte: what was really handed
to the connection counts, and what came back, headers and failed tries too, under its day in the base's zone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"
BREAK_AFTER = 5  # failures in a row
LEAST_BYTES = 2048  # with less left of a day's budget nothing is begun: a request and its answer have about 1 kB
POKE_EVERY_MS = 1000  # how often it is looked whether a person asked for another try
WRITE_EVERY_MS = 60_000  # bytes of a way without a budget are only for people
WRITE_BYTES = 1 << 20
MINUTE_MS = 60_000
LONGEST_WAIT_MS = 86_400_000  # that a receiver may ask for


class Pauses(Protocol):
    """The first and the longest pause after failures, s."""

    @property
    def retry_min_s(self) -> float: ...

    @property
    def retry_max_s(self) -> float: ...


class Pace(Pauses, Protocol):
    """What settings say of when a way may be used."""

    @property
    def hours(self) -> str: ...

    @property
    def budget_kib(self) -> int: ...


def pause_ms(failures: int, settings: Pauses, chance: float) -> int:
    """How long to wait after this many failures in a row; `chance` within 0–1 spreads it over its upper half."""
    longest = min(settings.retry_max_s, settings.retry_min_s * 2.0 ** min(failures - 1, 30))
    return round(longest * (0.5 + chance / 2) * 1000)


class Patience:
    """Failures in a row, and until when to wait, for one thing that is tried again and again."""

    def __init__(self, settings: Pauses, chance: Callable[[], float]) -> None:
        self._settings = settings
        self._chance = chance
        self.failures = 0
        self.until_ms = 0
        self._since_ms = 0

    def is_over(self, failures: int, time_ms: int, now_ms: int) -> bool:
        """Whether one more failure would be number `failures` in a row, over `time_ms`."""
        return self.failures + 1 >= failures and now_ms - self._since_ms >= time_ms

    def failed(self, now_ms: int, at_least_ms: int = 0) -> None:
        """Once more; `at_least_ms`: as long as the other side asked for."""
        if not self.failures:
            self._since_ms = now_ms
        self.failures += 1
        pause = pause_ms(self.failures, self._settings, self._chance())
        self.until_ms = now_ms + max(pause, min(at_least_ms, LONGEST_WAIT_MS))


def breaker_state(failures: int, waits_ms: int) -> str:
    """The state of a breaker after so many failures in a row, with so long still to wait."""
    if failures < BREAK_AFTER:
        return CLOSED
    return OPEN if waits_ms > 0 else HALF_OPEN


def opens_in_ms(hours: str, zone: ZoneInfo, utc_ms: int) -> int:
    """How long until `hours` (like 22:00-06:00, or empty) begin; 0 within them."""
    if not hours:
        return 0
    start, end = (int(text[:2]) * 60 + int(text[3:]) for text in hours.split("-"))
    there = _there(utc_ms, zone)
    minute = there.hour * 60 + there.minute
    within = start <= minute < end if start < end else minute >= start or minute < end
    into_ms = there.second * 1000 + there.microsecond // 1000
    return 0 if within else (start - minute) % 1440 * MINUTE_MS - into_ms


def day_of(utc_ms: int, zone: ZoneInfo) -> int:
    """The number of the day there; 1 is the first of the year 1."""
    return _there(utc_ms, zone).toordinal()


def _there(utc_ms: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone(zone)


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What others are told of a gate: `until_ms` is Unix ms."""

    failures: int = 0
    until_ms: int = 0
    error: str = ""


class Ledger(Protocol):
    """Where a gate's figures outlast a restart. Every method may raise StorageError."""

    def spent(self, day: int) -> int:
        """Bytes counted under that day."""

    def spend(self, day: int, size: int) -> None:
        """Count bytes, durably."""

    def tell(self, standing: Standing) -> None:
        """For people."""

    def asked(self) -> int:
        """Another number whenever a person asked for another try."""


class ForgetfulLedger:
    """For tests and simulations."""

    def __init__(self) -> None:
        self.days: dict[int, int] = {}
        self.standing = Standing()
        self.pokes = 0

    def spent(self, day: int) -> int:
        return self.days.get(day, 0)

    def spend(self, day: int, size: int) -> None:
        self.days[day] = self.spent(day) + size

    def tell(self, standing: Standing) -> None:
        self.standing = standing

    def asked(self) -> int:
        return self.pokes


class Gate:
    """`zone`: of the base; `chance` gives random numbers within 0–1; `ledger`: None forgets everything at the end."""

    def __init__(
        self, pace: Pace, chance: Callable[[], float], zone: ZoneInfo | None = None, ledger: Ledger | None = None
    ) -> None:
        self._pace = pace
        self._chance = chance
        self._zone = zone or ZoneInfo("UTC")
        self._ledger = ledger or ForgetfulLedger()
        self._breaker = Patience(pace, chance)
        self._error = ""
        self._told: Standing | None = None
        self._fresh = 0  # bytes that the ledger does not have yet
        self._day, self._spent = 0, 0  # what it has under this day
        self._written_ms = 0
        self._asked: int | None = None
        self._asked_ms = 0
        self.pokes = 0  # how often a person asked for another try

    def count(self, size: int) -> None:
        """So many bytes have gone over the connection, either way."""
        self._fresh += size

    def room(self, utc_ms: int) -> int | None:
        """Bytes left of this day; None without a budget."""
        if not self._pace.budget_kib:
            return None
        return max(0, self._pace.budget_kib * 1024 - self._spent_on(day_of(utc_ms, self._zone)) - self._fresh)

    def _spent_on(self, day: int) -> int:
        if day != self._day:
            self._spent = self._ledger.spent(day)
            self._day = day
        return self._spent

    def state(self, now_ms: int) -> str:
        """Of the breaker."""
        return breaker_state(self._breaker.failures, self._breaker.until_ms - now_ms)

    def is_shut(self, utc_ms: int) -> bool:
        """Whether hours or budget forbid it now. `utc_ms`: Unix ms."""
        if opens_in_ms(self._pace.hours, self._zone, utc_ms):
            return True
        room = self.room(utc_ms)
        return room is not None and room < LEAST_BYTES

    def may_try(self, now_ms: int, utc_ms: int) -> bool:
        """Whether one more try is allowed now. `now_ms` must never go back.  Raises: StorageError."""
        if self._asked is None or now_ms >= self._asked_ms + POKE_EVERY_MS:
            self._asked_ms = now_ms
            asked = self._ledger.asked()
            if self._asked is not None and asked != self._asked:
                self.pokes += 1
                self.worked()
            self._asked = asked
        return now_ms >= self._breaker.until_ms and not self.is_shut(utc_ms)

    def failed(self, now_ms: int, error: str, at_least_ms: int = 0) -> None:
        """Nobody got through; `at_least_ms`: the pause that was asked for."""
        self._breaker.failed(now_ms, at_least_ms)
        self._error = error

    def worked(self, remark: str = "") -> None:
        """Somebody got through; `remark`: what people should know all the same."""
        self._breaker = Patience(self._pace, self._chance)
        self._error = remark

    def settle(self, now_ms: int, utc_ms: int) -> None:
        """Make durable what has changed.  Raises: StorageError; then the next call does it."""
        due = self._pace.budget_kib or self._fresh >= WRITE_BYTES or now_ms - self._written_ms >= WRITE_EVERY_MS
        if self._fresh and due:
            day = day_of(utc_ms, self._zone)
            spent = self._spent_on(day)
            self._ledger.spend(day, self._fresh)
            self._spent = spent + self._fresh
            self._fresh, self._written_ms = 0, now_ms
        failures = self._breaker.failures
        if self._told is None or (failures, self._error) != (self._told.failures, self._told.error):
            until_ms = utc_ms + self._breaker.until_ms - now_ms if failures else 0
            told = Standing(failures=failures, until_ms=until_ms, error=self._error)
            self._ledger.tell(told)
            self._told = told
