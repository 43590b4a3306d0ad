"""The page's part on the traps themselves: alarms first, and 30 days of what each could see. Pure."""

from typing import Any
from zoneinfo import ZoneInfo

from trapbase.config import TrapSettings
from trapbase.effort import Alarm, DayLine, alarms, date_of, day_lines, day_of
from trapbase.moments import moment
from trapbase.pictures import picture_name
from trapwire.notes import MINUTES, REASONS, words

DAYS = 30  # shown
MOST_ALARMS = 8  # shown
Row = dict[str, Any]


def standing(rows: list[Row], known: dict[int, TrapSettings], zones: dict[int, ZoneInfo]) -> list[Row]:
    """The alarms that nobody has settled by a visit, newest first."""
    found = sorted((alarm for alarm in alarms(rows) if alarm.stands), key=lambda alarm: -alarm.time_ms)
    return [_alarm(alarm, known.get(alarm.trap), zones.get(alarm.trap, ZoneInfo("UTC"))) for alarm in found]


def _alarm(alarm: Alarm, trap: TrapSettings | None, zone: ZoneInfo) -> Row:
    where = f"{trap.station}, {trap.side} camera, trap {alarm.trap}" if trap else f"trap {alarm.trap}"
    return {
        "id": f"{alarm.trap}-{alarm.epoch:08x}-{alarm.number}",
        "where": where,
        "words": alarm.words,
        "time": moment(alarm.time_ms, zone) if alarm.clock_known else None,
        "proved": alarm.proved,
    }


def marked(rows: list[Row]) -> list[Alarm]:
    """Those that what came later is marked by, settled ones too."""
    return alarms(rows)


def effort_rows(
    rows: list[Row], known: dict[int, TrapSettings], scenes: list[Row], now_ms: int, zones: dict[int, ZoneInfo]
) -> list[Row]:
    """A row a trap: its last 30 days up to yesterday, oldest first, their sums, and its newest scene."""
    today = day_of(now_ms)
    by_trap: dict[int, dict[int, DayLine]] = {}
    for line in day_lines(rows):
        by_trap.setdefault(line.trap, {})[line.day] = line
    pictures = {row["trap"]: row for row in scenes}
    numbers = sorted(set(by_trap) | set(pictures), key=lambda n: (known[n].station if n in known else "~", n))
    return [
        _trap(number, known.get(number), by_trap.get(number, {}), pictures.get(number), today, zones)
        for number in numbers
    ]


def _trap(
    number: int,
    trap: TrapSettings | None,
    lines: dict[int, DayLine],
    scene: Row | None,
    today: int,
    zones: dict[int, ZoneInfo],
) -> Row:
    days = [_day(day, lines.get(day), place) for place, day in enumerate(range(today - DAYS, today))]
    told = [line for day, line in lines.items() if today - DAYS <= day < today]
    seen = sum(line.seen for line in told)
    blind = sum(line.blind + line.off for line in told)
    reasons = 0
    for line in told:
        reasons |= line.reasons
    zone = zones.get(number, ZoneInfo("UTC"))
    return {
        "number": number,
        "name": f"{trap.station} {trap.side}" if trap else "not in the settings",
        "days": days,
        "first": date_of(today - DAYS),
        "last": date_of(today - 1),
        "seen": _days(seen),
        "blind": _days(blind),
        "why": words(reasons, REASONS),
        "unknown": _days(DAYS * MINUTES - seen - blind),
        "scene": scene
        and {"name": picture_name(scene["id"], scene["sha256"]), "time": moment(scene["stored_ms"], zone)},
        "doubt": any(not line.proved for line in told),
    }


def _day(day: int, line: DayLine | None, place: int) -> Row:
    """One column of a trap's strip, 100 high: seen from below, then blind, then not on watch; the rest is unknown."""
    if line is None:
        return {"place": place, "seen": 0, "blind": 0, "off": 0, "marked": False, "words": f"{date_of(day)}: no line"}
    said = [f"{_hours(line.seen)} seen", f"{_hours(line.blind)} blind" if line.blind else ""]
    said += [f"{_hours(line.off)} not on watch" if line.off else "", line.why]
    return {
        "place": place,
        "seen": round(line.seen / MINUTES * 100),
        "blind": round(line.blind / MINUTES * 100),
        "off": round(line.off / MINUTES * 100),
        "marked": bool(line.marks & 3),
        "words": f"{line.date}: " + ", ".join(filter(None, said)),
    }


def _days(minutes: int) -> str:
    return f"{minutes / MINUTES:.1f}"


def _hours(minutes: int) -> str:
    return f"{minutes / 60:.1f} h".replace(".0 h", " h")
