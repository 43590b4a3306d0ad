"""From when the page counts what happened: the last visit that is over, or the last card (pure; kept as one line).

A visit whose page was closed for want of anybody, and opened again, is one visit: what closed less than six hours ago
is not the last one.
"""

from dataclasses import astuple, dataclass

SAME_VISIT_MS = 6 * 3_600_000


@dataclass(frozen=True)
class Mark:
    """The trap's counts at a moment (Unix ms)."""

    at_ms: int
    triggers: int
    sightings: int
    blind_days: int


def _read(line: str) -> list[Mark | None]:
    """Counted from, end of the last visit; what cannot be read is not there."""
    found: list[Mark | None] = []
    for part in line.split(";")[:2]:
        numbers = [int(word) for word in part.split() if word.isdecimal()]
        found.append(Mark(*numbers) if len(numbers) == 4 else None)
    return [*found, None, None][:2]


def _written(since: Mark | None, ended: Mark | None) -> str:
    return ";".join(" ".join(map(str, astuple(mark))) if mark else "" for mark in (since, ended))


def counted_from(line: str, now_ms: int) -> Mark | None:
    """The mark that a visit of now counts from; None: from the beginning of the memory card."""
    since, ended = _read(line)
    return ended if ended is not None and abs(now_ms - ended.at_ms) >= SAME_VISIT_MS else since


def card_saved(now: Mark) -> str:
    """The line after a card: from here on."""
    return _written(now, None)


def visit_over(line: str, now: Mark) -> str:
    """The line after a visit: the next one counts from its end."""
    return _written(counted_from(line, now.at_ms), now)
