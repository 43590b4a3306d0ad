"""Times and durations as people read them. Pure."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

LATEST_MS = 1 << 42  # in the year 2109: beyond it a time is damage, and datetime's own bounds come later


def moment(unix_ms: int | None, zone: ZoneInfo) -> dict[str, Any] | None:
    """A time for the template, in the station's `zone`; the page's script adds the reader's. None for no time."""
    if unix_ms is None or not 0 <= unix_ms < LATEST_MS:
        return None
    there = datetime.fromtimestamp(unix_ms / 1000, zone)
    minutes = round(there.utcoffset().total_seconds() / 60)  # type: ignore[union-attr]
    hours = f"{abs(minutes) // 60}" + (f":{abs(minutes) % 60:02}" if minutes % 60 else "")
    return {
        "ms": unix_ms,
        "iso": datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "there": f"{there.day} {there:%b %Y, %H:%M:%S}",
        "offset_min": minutes,
        "zone": f"UTC{'-' if minutes < 0 else '+'}{hours}" if minutes else "UTC",
    }


def span(start_ms: int | None, end_ms: int | None) -> str:
    """How long it took: "0.4 s", "12 s", "3 min", "5 h", "4 days", "10 years"; nothing where either end is unknown.

    A negative one is two clocks that disagree, and no duration.
    """
    if start_ms is None or end_ms is None or end_ms < start_ms:
        return ""
    seconds = (end_ms - start_ms) / 1000
    for limit, unit_s, name in ((9.95, 1, "s"), (99.5, 1, "s"), (5970, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds:.1f} s" if limit == 9.95 else f"{seconds / unit_s:.0f} {name}"
    days = seconds / 86400
    return f"{days:.0f} days" if days < 800 else f"{days / 365.25:.0f} years"


def step(name: str, at_ms: int | None, since_ms: int | None) -> dict[str, Any]:
    """One dot of a timeline: whether it is reached, and how long after `since_ms`."""
    return {"name": name, "done": at_ms is not None, "after": span(since_ms, at_ms)}
