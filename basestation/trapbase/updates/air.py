"""Which units get a release's settings by radio now, and in words what became of that (pure; decision 027).

Only where the settings are all that a unit lacks of the release, only to whom the base has permitted it, a few units at
a time: the air is everybody's. What nobody took is said again after hours, and given up in the end: a unit's firmware
may be from before this.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trapbase.moments import span

SETTINGS = "settings"
AT_ONCE = 2  # units that a pack is on its way to
AGAIN_MS = 6 * 3_600_000
TRIES = 8
JUDGED = ("staged", "trial", "reverted", "refused")  # phases in which a unit has said what it makes of a release


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A pack on its way to a unit. number: of the object; size: bytes of it; sent_ms: last, of `tries`; taken_ms: when
    the unit had it, 0 before. Unix ms."""

    release: str
    number: int
    size: int
    sent_ms: int
    tries: int = 1
    taken_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A unit that may take `release`; number: of the object that would bring it; running, tried, phase: as it says of
    its updates (running None: it has said nothing yet)."""

    trap: int
    release: str
    number: int
    running: str | None
    tried: str = ""
    phase: str = ""


def lacks_settings_alone(running: str | None, release: str, releases: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a unit that runs `running` needs nothing of `release` but its settings. releases: versions by part."""
    new = releases.get(release, {})
    if running is None or running == release or SETTINGS not in new:
        return False
    old = releases.get(running) if running else {}
    return old is not None and _others(old) == _others(new)


def to_send(
    wishes: Iterable[Wish], sent: Mapping[int, Sent], releases: Mapping[str, Mapping[str, str]], now_ms: int
) -> list[Wish]:
    """Whose pack is to be said now, the one that waits longest first."""
    due, under_way = [], 0
    for wish in wishes:
        if not lacks_settings_alone(wish.running, wish.release, releases):
            continue
        if wish.tried == wish.release and wish.phase in JUDGED:
            continue
        last = sent.get(wish.trap)
        same = last is not None and (last.release, last.number) == (wish.release, wish.number)
        if last is None or not same:
            due.append((0, wish))
        elif last.taken_ms or (last.tries >= TRIES and now_ms - last.sent_ms >= AGAIN_MS):
            continue
        elif now_ms - last.sent_ms >= AGAIN_MS:
            due.append((last.sent_ms, wish))
        else:
            under_way += 1
    due.sort(key=lambda each: (each[0], each[1].trap))
    return [wish for _, wish in due[: max(0, AT_ONCE - under_way)]]


def said_of(last: Sent | None, wish: Wish, size: int, now_ms: int) -> Sent:
    """What is kept of it now."""
    same = last is not None and (last.release, last.number) == (wish.release, wish.number)
    tries = last.tries + 1 if last is not None and same else 1
    return Sent(release=wish.release, number=wish.number, size=size, sent_ms=now_ms, tries=tries)


def air_words(sent: Sent | None, release: str, now_ms: int) -> str:
    """What became of a unit's pack; nothing where none of this release was sent."""
    if sent is None or sent.release != release:
        return ""
    if sent.taken_ms:
        return f"its settings went by radio ({sent.size} bytes)"
    if sent.tries >= TRIES and now_ms - sent.sent_ms >= AGAIN_MS:
        return f"its settings were sent by radio {sent.tries} times and not taken: bring them by stick or phone"
    waits = span(sent.sent_ms, now_ms) if now_ms - sent.sent_ms >= 60_000 else ""
    return f"its settings go by radio ({sent.size} bytes{f', for {waits}' if waits else ''})"


def _others(parts: Mapping[str, str]) -> dict[str, str]:
    return {part: version for part, version in parts.items() if part != SETTINGS}
