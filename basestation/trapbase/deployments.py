"""Deployments as the effort ledger has them: one ends where a trap was blind for a whole day, the next begins after it.

Pure. Camtrap DP counts a deployment's days as days of effort; so days on which the trap says that it saw nothing must
lie in none. Days of which nobody knows stay in, and `deploymentComments` names them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from trapbase.camtrap_rows import Row, card_comments, deployment_row, time_text
from trapbase.effort import DAY_MS, DayLine, date_of, day_of
from trapbase.model import Event
from trapbase.places import Site
from trapwire.alert import TIME_BASE_UNIX_MS
from trapwire.notes import REASONS, words

MAX_DAY = 1 << 16  # days since 2020 that a line can tell
MOST_RANGES = 24  # of days named in one comment; beyond them only their number


@dataclass(frozen=True, kw_only=True)
class Period:
    """A stretch of a trap's deployment in which it was not blind for a whole day: first and last moment, Unix ms."""

    start_ms: int
    end_ms: int
    id: str
    comments: str


class Deployment:
    """One trap's deployment, as one period or several. times_ms: of its sightings and pictures, at least one where no
    card tells when it began; lines: its trap's days, oldest first; none: there is no ledger, and it is one period. The
    end of the last is provisional while the trap is in the field."""

    def __init__(self, site: Site, times_ms: list[int], lines: list[DayLine]) -> None:
        self.site = site
        trap, stay = site.trap, site.stay
        if stay is not None:
            until = day_of(stay.end_ms) if stay.end_ms is not None else MAX_DAY
            lines = [line for line in lines if day_of(stay.start_ms) <= line.day <= until]
        seen_days = {day_of(time_ms) for time_ms in times_ms}
        blind = [line for line in lines if line.is_blind and line.day not in seen_days]
        # What lies before the trap was put up, or before its first line, is no time of this deployment.
        told = [line.day for line in lines if line.counts]
        starts = [*times_ms, *([day_ms(min(told))] if told and not trap.deployed else [])]
        start_ms = min([*starts, *([_unix_ms(trap.deployed)] if trap.deployed else [])])
        ends = [*times_ms, *([day_ms(max(told) + 1) - 1000] if told else [])]
        if stay is not None:
            ends = [*ends, start_ms] if stay.end_ms is None else [*times_ms, stay.end_ms]
        end_ms = max(ends)
        self.periods = self._split(start_ms, end_ms, lines, blind)

    def at(self, time_ms: int) -> str:
        """The deploymentID for something of that time: its period, or the nearest."""
        nearest = min(self.periods, key=lambda p: max(p.start_ms - time_ms, time_ms - p.end_ms, 0))
        return nearest.id

    def rows(self, events: list[Event], received_ms: list[int]) -> list[Row]:
        """As rows of `deployments.csv`; the same columns as a trap without a ledger has."""
        found = []
        for period in self.periods:
            own = [e for e in events if self.at(e.time_ms) == period.id]
            row = deployment_row(self.site.trap, own, received_ms, self.site.stay)
            found.append(
                row
                | {
                    "deploymentID": period.id,
                    "deploymentStart": time_text(period.start_ms),
                    "deploymentEnd": time_text(period.end_ms + 999),
                    "timestampIssues": row["timestampIssues"] if own or not events else "false",
                    "deploymentComments": period.comments,
                }
            )
        return found

    def _split(self, start_ms: int, end_ms: int, lines: list[DayLine], blind: list[DayLine]) -> list[Period]:
        gaps = _runs(line.day for line in blind)
        reasons = {line.day: line.reasons for line in blind}
        periods: list[Period] = []
        at_ms = start_ms
        before = ""
        for first, last in gaps:
            why = 0
            for day in range(first, last + 1):
                why |= reasons[day]
            said = f"blind from {date_of(first)} to {date_of(last)} ({words(why, REASONS) or 'no reason given'})"
            if at_ms < min(day_ms(first), end_ms):
                periods.append(self._period(at_ms, min(day_ms(first), end_ms) - 1000, lines, before, f"Then {said}."))
            before = f"Before: {said}."
            at_ms = max(at_ms, day_ms(last + 1))
        if at_ms <= end_ms or not periods:
            still = PROVISIONAL if self.site.stay is None or self.site.stay.end_ms is None else ""
            periods.append(self._period(min(at_ms, end_ms), end_ms, lines, before, still))
        return periods

    def _period(self, start_ms: int, end_ms: int, lines: list[DayLine], before: str, then: str) -> Period:
        end_ms = max(start_ms, end_ms)
        name, stay = self.site.id, self.site.stay
        # The first keeps its name, by which earlier packages know it; those after it are told apart by their day.
        if before:
            name = f"{name}-{date_of(day_of(start_ms)).replace('-', '')}"
        written = "" if stay is None else card_comments(stay, "")
        said = [written, before, then, _effort(start_ms, end_ms, lines) if lines else NO_LEDGER]
        return Period(start_ms=start_ms, end_ms=end_ms, id=name, comments=" ".join(filter(None, said)))


PROVISIONAL = "Still in the field: the end is that of the last day or sighting known."
NO_LEDGER = "No line of the trap's own effort ledger has come: how long it could see is not known."


def day_ms(day: int) -> int:
    """The Unix ms at which a day since 2020-01-01 begins."""
    return TIME_BASE_UNIX_MS + day * DAY_MS


def _unix_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _effort(start_ms: int, end_ms: int, lines: list[DayLine]) -> str:
    """What the ledger says of a period, in words."""
    days = range(day_of(start_ms), day_of(end_ms) + 1)
    own = {line.day: line for line in lines if line.day in days}
    seen = sum(line.seen for line in own.values())
    blind = sum(line.blind for line in own.values())
    off = sum(line.off for line in own.values())
    said = f"Effort by the trap's ledger: {seen / 60:.1f} h seen"
    if blind or off:
        reasons = 0
        for line in own.values():
            reasons |= line.reasons
        said += f", {(blind + off) / 60:.1f} h not ({words(reasons, REASONS)})"
    said += f", in {len(own)} of {len(days)} days."
    missing = _runs(day for day in days if day not in own)
    if missing:
        names = [date_of(a) if a == b else f"{date_of(a)} to {date_of(b)}" for a, b in missing[:MOST_RANGES]]
        more = f" and {len(missing) - MOST_RANGES} more such stretches" if len(missing) > MOST_RANGES else ""
        said += f" Days without a line: {', '.join(names)}{more}."
    doubtful = [line.day for line in own.values() if not line.counts]
    if doubtful:
        said += f" {len(doubtful)} days have a line whose clock was not trusted; they count as unknown."
    unproved = sum(not line.proved for line in own.values())
    if unproved:
        said += f" {unproved} lines are not verified: this base has no key of that trap."
    return said


def _runs(days: Iterable[int]) -> list[tuple[int, int]]:
    """Days as (first, last) of each unbroken run."""
    runs: list[tuple[int, int]] = []
    for day in sorted(days):
        if runs and day == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


def by_trap(lines: Iterable[DayLine]) -> Mapping[int, list[DayLine]]:
    """The lines of each trap, oldest first."""
    found: dict[int, list[DayLine]] = {}
    for line in lines:
        found.setdefault(line.trap, []).append(line)
    return found
