"""What the traps' ledgers say, day by day: saw, blind, not on watch, unknown (pure; PROTOCOL.md section 13).

Only what a trap vouches for counts. A day without a line, and what is left of a day with one, is unknown; so is a line
whose clock was not trusted, and one that its trap has not signed. A line that nobody here can check counts and is
marked.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from trapbase.unit_keys import FORGED, VERIFIED
from trapwire.alert import TIME_BASE_UNIX_MS
from trapwire.notes import CLOCK_UNTRUSTED, DAY, FIELDS, MARKS, MINUTES, MOVED, OPENED, REASONS, words

DAY_MS = 86_400_000
BLIND_MINUTES = 1200  # of a day, at least so much vouched for and nothing of it seen: the trap was blind that day
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class DayLine:
    """One trap's UTC day (`day` since 2020-01-01): minutes, `REASONS` and `MARKS`; `proved`: by the trap's own key."""

    trap: int
    day: int
    watch: int
    seen: int
    off: int
    reasons: int
    marks: int
    sightings: int
    proved: bool
    counts: bool = True

    @property
    def blind(self) -> int:
        """Minutes on watch that nothing could be seen in."""
        return self.watch - self.seen

    @property
    def unknown(self) -> int:
        """Minutes of which nobody knows."""
        return MINUTES - self.watch - self.off

    @property
    def is_blind(self) -> bool:
        """Whether the ledger says that the trap saw nothing all day."""
        return self.counts and not self.seen and not self.sightings and self.watch + self.off >= BLIND_MINUTES

    @property
    def date(self) -> str:
        """ISO date."""
        return date_of(self.day)

    @property
    def why(self) -> str:
        """Why it could not see, and what is to be said besides, in words."""
        said = [words(self.reasons, REASONS), words(self.marks, MARKS), "" if self.proved else "not verified"]
        return ", ".join(filter(None, said))


def date_of(day: int) -> str:
    """ISO date of a day since 2020-01-01."""
    return datetime.fromtimestamp((TIME_BASE_UNIX_MS + day * DAY_MS) // 1000, UTC).strftime("%Y-%m-%d")


def day_of(unix_ms: int) -> int:
    """Days since 2020-01-01, UTC."""
    return (unix_ms - TIME_BASE_UNIX_MS) // DAY_MS


def day_lines(rows: Iterable[Mapping[str, Any]]) -> list[DayLine]:
    """The rows of `notes`, one line for each trap and day, in that order. Of one day two outboxes may tell (the card
    was changed): their minutes are added."""
    found: dict[tuple[int, int], DayLine] = {}
    for row in rows:
        line = _line(row)
        if line is None:
            continue
        before = found.get((line.trap, line.day))
        found[line.trap, line.day] = line if before is None else _together(before, line)
    return [found[key] for key in sorted(found)]


def _line(row: Mapping[str, Any]) -> DayLine | None:
    said = json.loads(row["said"])
    if row["proof"] == FORGED or not all(type(said.get(name)) is int for name, _, _ in FIELDS[DAY]):
        return None
    counts = not said["marks"] & CLOCK_UNTRUSTED
    return DayLine(
        trap=row["trap"],
        day=row["day"],
        watch=said["watch"] if counts else 0,
        seen=said["seen"] if counts else 0,
        off=said["off"] if counts else 0,
        reasons=said["reasons"],
        marks=said["marks"],
        sightings=said["sightings"],
        proved=row["proof"] == VERIFIED,
        counts=counts,
    )


def _together(a: DayLine, b: DayLine) -> DayLine:
    watch = min(a.watch + b.watch, MINUTES)
    return DayLine(
        trap=a.trap,
        day=a.day,
        watch=watch,
        seen=min(a.seen + b.seen, watch),
        off=min(a.off + b.off, MINUTES - watch),
        reasons=a.reasons | b.reasons,
        marks=a.marks | b.marks,
        sightings=a.sightings + b.sightings,
        proved=a.proved and b.proved,
        counts=a.counts or b.counts,
    )


# --- alarms -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Somebody opened the unit, or its camera looks elsewhere. What came under its epoch with numbers after `number`,
    and before `settled` where that is known, came after it. `stands`: nobody has visited since."""

    trap: int
    epoch: int
    number: int
    kind: int
    time_ms: int
    clock_known: bool
    said: Mapping[str, int]
    proved: bool
    settled: int | None
    stands: bool

    def covers(self, trap: int, epoch: int, number: int) -> bool:
        """Whether that object was made after it, and before a visit."""
        until = 1 << 24 if self.settled is None else self.settled
        return (trap, epoch) == (self.trap, self.epoch) and self.number < number < until

    @property
    def name(self) -> str:
        """In a word or two."""
        return {OPENED: "opened", MOVED: "moved"}.get(self.kind, f"alarm {self.kind}")

    @property
    def words(self) -> str:
        """What happened, for a person."""
        if self.kind == MOVED:
            right, down, turned = (self.said.get(name, 0) for name in ("right", "down", "turned"))
            ways = [
                f"{abs(right) / 10:.0f} % of the picture to the {'left' if right > 0 else 'right'}" if right else "",
                f"{abs(down) / 10:.0f} % {'up' if down > 0 else 'down'}" if down else "",
                f"turned by {abs(turned) / 10:.0f}°" if abs(turned) >= 10 else "",
            ]
            return "the camera was moved: it looks " + (", ".join(filter(None, ways)) or "elsewhere")
        return "the lid was opened and nobody had said that they were visiting" if self.kind == OPENED else self.name


def alarms(rows: Iterable[Mapping[str, Any]]) -> list[Alarm]:
    """The alarms of the reader's rows, forged ones left out."""
    return [
        Alarm(
            trap=row["trap"],
            epoch=row["epoch"],
            number=row["number"],
            kind=row["kind"],
            time_ms=row["time_ms"],
            clock_known=row["uncertainty_ms"] is not None,
            said=json.loads(row["said"]),
            proved=row["proof"] == VERIFIED,
            settled=row["settled"],
            stands=row["settled"] is None and not row["replaced"],
        )
        for row in rows
        if row["proof"] != FORGED
    ]


def after(trap: int, epoch: int, number: int, found: Iterable[Alarm]) -> str:
    """What is to be said of a sighting that came after an alarm, and before a visit."""
    names = {alarm.kind for alarm in found if alarm.covers(trap, epoch, number)}
    said = {OPENED: "after opening", MOVED: "after being moved"}
    return " and ".join(said.get(kind, "after an alarm") for kind in sorted(names))
