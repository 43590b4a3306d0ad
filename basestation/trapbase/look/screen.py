"""One screen: what needs a person first, then the traps, the worst first, then the base itself. Pure.

On a terminal it keeps to that terminal's size, and says how much more there is; elsewhere, in a pipe or a file, it has
every line whole.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trapbase.view_needs import trap_words

Row = Mapping[str, Any]
Line = tuple[str, str]  # style, text
PLAIN, GOOD, WARN, ALARM, QUIET, BOLD = "", "32", "33", "1;31", "2", "1"  # styles, as SGR parameters
LEAST_TRAPS = 3  # lines of traps, whatever else there is to say
INDENT = "  "
LONGEST_STATION = 24
WHOLE = 3  # troubles that are not cut to one line
LEAST_WIDTH = 40
ALL = "trapbase status | less"


@dataclass(frozen=True, kw_only=True)
class Screen:
    """`now`: the moment; `needs`: sentences; `traps`: of the view, each with its station's name; `waiting`: objects
    that wait here for a batch, by trap; `base`: (name, words) lines that are always there; `more`: those for which
    there may be no room."""

    name: str
    now: Row | None
    now_ms: int
    alarms: Sequence[str] = ()
    needs: Sequence[str] = ()
    traps: Sequence[Row] = ()
    waiting: Mapping[int, int] = field(default_factory=dict)
    base: Sequence[tuple[str, str]] = ()
    more: Sequence[str] = ()


def render(screen: Screen, size: tuple[int, int] | None, *, colours: bool = False) -> list[str]:
    """The lines; `size`: columns and lines of the terminal, None for as many as there are."""
    width = max(LEAST_WIDTH, size[0]) if size else 0
    base = [(PLAIN, line) for name, words in screen.base for line in _named(name, words, width)]
    if size is None:
        body = [*_troubles(screen, 0, None), *_traps(screen, None), *base, *((QUIET, text) for text in screen.more)]
    else:
        room = size[1] - 1 - len(base)
        troubles = _troubles(screen, width, max(2, room - min(LEAST_TRAPS, len(screen.traps)) - 1))
        traps = _traps(screen, max(0, room - len(troubles)))
        left = max(0, room - len(troubles) - len(traps))
        body = [*troubles, *traps, *base, *_bounded([(QUIET, text) for text in screen.more], left)]
    lines = [_head(screen), *body]
    return [_styled(style, _cut(text, width), colours) for style, text in lines]


def _named(name: str, words: str, width: int) -> list[str]:
    text = f"{f'{name}:':<9}{words}"
    if not width:
        return [text]
    return _shortened(textwrap.wrap(text, width, subsequent_indent=" " * 9, break_on_hyphens=False), 2, width)


def _head(screen: Screen) -> Line:
    at = f"{screen.now['there']} {screen.now['zone']}" if screen.now else "at no time that can be"
    count = len(screen.alarms) + len(screen.needs)
    if screen.alarms:
        style, words = ALARM, f"{count} things need a person" if count > 1 else "an alarm"
    elif count:
        style, words = WARN, f"{count} things need a person" if count > 1 else "1 thing needs a person"
    else:
        style, words = GOOD, "all is well"
    return style, f"{screen.name}: {words}  ({at})"


def _troubles(screen: Screen, width: int, room: int | None) -> list[Line]:
    """Alarms, then what else needs a person; each on as many lines as it takes where there is room for all."""
    texts = [(ALARM, text) for text in screen.alarms] + [(WARN, text) for text in screen.needs]
    if room is None:
        return [(style, f"! {text}") for style, text in texts]
    wrapped = [(style, _wrapped(text, width)) for style, text in texts]
    for most in (4, 3, 2):
        lines = [(style, line) for style, own in wrapped for line in _shortened(own, most, width)]
        if len(lines) <= room:
            return lines
    # What to do stands at a sentence's end: the first ones are whole, and the rest is counted.
    lines = []
    for i, (style, own) in enumerate(wrapped):
        fresh = [(style, line) for line in _shortened(own, 3 if i < WHOLE else 1, width)]
        if len(lines) + len(fresh) > room - (i < len(wrapped) - 1):
            return [*lines, (QUIET, f"{INDENT}… {len(wrapped) - i} more troubles: {ALL}")]
        lines += fresh
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(f"! {text}", width, subsequent_indent=INDENT, break_on_hyphens=False) or ["!"]


def _shortened(lines: list[str], most: int, width: int) -> list[str]:
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], _cut(f"{lines[most - 1]}{' ' * width}", width)]


def _traps(screen: Screen, room: int | None) -> list[Line]:
    """The worst first: those that need something, then by number; those that are well are counted where room ends."""
    anybody = any(trap["heard"] for trap in screen.traps)
    wrong = {trap["number"]: bool(trap_words(dict(trap), anybody, screen.now_ms)) for trap in screen.traps}
    order = sorted(screen.traps, key=lambda t: (not wrong[t["number"]], bool(t["heard"]) and not wrong[t["number"]],
                                                t["heard"]["ms"] if t["heard"] and wrong[t["number"]] else 0,
                                                t["number"]))  # fmt: skip
    if not order or room == 0:
        return []
    table = _columns([_cells(trap, screen) for trap in order])
    lines = [
        (WARN if wrong[trap["number"]] else PLAIN, ("! " if wrong[trap["number"]] else INDENT) + text)
        for trap, text in zip(order, table, strict=True)
    ]
    if room is None or len(lines) <= room:
        return lines
    shown = lines[: room - 1]
    rest = order[room - 1 :]
    bad = sum(wrong[trap["number"]] for trap in rest)
    words = f"{len(rest)} more traps, {bad} of them need something" if bad else f"{len(rest)} more traps are well"
    return [*shown, (WARN if bad else QUIET, f"{INDENT}… {words}: {ALL}")]


def _cells(trap: Row, screen: Screen) -> list[str]:
    """What a line says of one trap."""
    heard = trap["heard"]
    where = _cut(" ".join(filter(None, (trap["station"], trap["side"]))), LONGEST_STATION)
    first = [f"trap {trap['number']}", where]
    seen = [f"{trap['sightings']} seen"]
    here = screen.waiting.get(trap["number"], 0)
    if trap.get("shut_out"):
        return [*first, "shut out", *seen, "", "", f"{here} wait here" if here else ""]
    if not heard:
        return [*first, "not heard yet", *seen, "", "", f"{here} wait here" if here else ""]
    battery = "battery ?" if trap["battery"] is None else f"{trap['battery']} %"
    if trap["days_left"] is not None:
        battery += f" {trap['days_left']} d"
    margin = "no radio" if trap["margin_db"] is None else f"{trap['margin_db']} dB"
    queued = f"{trap['queued']} wait there" if trap["queued"] else ""
    last = ", ".join(
        filter(None, (trap["fault"], trap["state"], trap["degrees"], queued, f"{here} wait here" if here else ""))
    )
    return [*first, _ago(heard["ms"], screen.now_ms), *seen, battery, margin, last]


def _ago(at_ms: int, now_ms: int) -> str:
    seconds = (now_ms - at_ms) // 1000
    if seconds < 0:
        return "in the future"
    for unit_s, name, limit in ((1, "s", 90), (60, "min", 5400), (3600, "h", 129_600)):
        if seconds < limit:
            return f"{seconds // unit_s} {name} ago"
    return f"{seconds // 86400} days ago"


def _columns(rows: list[list[str]]) -> list[str]:
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(wide[i]) for i, cell in enumerate(row)).rstrip() for row in rows]


def _bounded(lines: list[Line], room: int) -> list[Line]:
    if len(lines) <= room:
        return lines
    if room <= 0:
        return []
    return [*lines[: room - 1], (QUIET, f"{INDENT}… {len(lines) - room + 1} more lines: {ALL}")]


def _cut(text: str, width: int) -> str:
    return text if not width or len(text) <= width else text[: width - 1].rstrip() + "…"


def _styled(style: str, text: str, colours: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colours and style else text
