"""Broker, back end, modem or clock gone for a virtual month; all in turn, and all at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from trapbase.config import Settings
from trapsim.basesoak.life import Life
from trapsim.basesoak.things import UTC_MS
from trapsim.crash import Fuse
from trapsim.soakplan import draws_of

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BEFORE_MS = 6 * HOUR_MS
IDLE_MS = 300_000
CATCH_UP_MS = 4 * DAY_MS
EVERY_H = {"radio": 8, "network": 3}  # hours between two sightings of a trap, on the mean
GONE = ("broker", "back end", "modem", "clock")
STORIES = (*GONE, "in turn", "together")
YEAR_2099_MS = 4_070_908_800_000


def calm(settings: Settings) -> Settings:
    """The settings of a base that nobody hurries."""
    return msgspec.structs.replace(
        settings,
        batch=msgspec.structs.replace(settings.batch, max_events=50, max_age_s=300.0, max_wait_s=3600.0),
        upload=msgspec.structs.replace(
            settings.upload, chunk_bytes=65536, retry_min_s=2.0, retry_max_s=600.0, receipt_poll_s=5.0
        ),
    )


class Outage:
    """What is gone in a story, switched off and on again."""

    def __init__(self, life: Life, seed: int, story: str) -> None:
        self._life = life
        self._draws = draws_of(seed, STORIES.index(story), "clock")
        self._store = life.outlet.store

    def switch(self, gone: frozenset[str]) -> None:
        """Exactly these are gone from now on."""
        life = self._life
        if ("broker" in gone) == life.broker.is_up:
            (life.broker.stop if "broker" in gone else life.broker.start)()
        life.outlet.store = None if "back end" in gone else self._store
        life.line.is_open = "modem" not in gone
        if "clock" not in gone:
            life.clock.off_ms = 0

    def jump(self) -> None:
        """A clock that nobody sets: 1970 after a power cut, 2099, or years off either way."""
        anywhere = self._draws.randint(-20, 20) * 365 * DAY_MS
        self._life.clock.off_ms = self._draws.choice((-UTC_MS, YEAR_2099_MS - UTC_MS, anywhere))


def run_story(seed: int, number: int, folder: Path, days: int = 30) -> dict[str, Any]:
    """Story `number` of `STORIES`, with `days` of it: its counts and violations."""
    story = STORIES[number % len(STORIES)]
    draws = draws_of(seed, number, "outages")
    # A trap that has asked in vain for long asks seldom: a month of its usual haste would take an hour to play.
    times = {"heartbeat_ms": HOUR_MS, "pause_max_ms": 4 * HOUR_MS}
    life = Life(folder, draws, Fuse(), radio=1, network=1, times=times, idle_ms=IDLE_MS, change=calm)
    outage = Outage(life, seed, story)
    plan = _plan(story, days)
    due = {trap.number: 0.0 for trap in life.traps}
    seen = dict.fromkeys(due, 0)
    with life.seams.in_place():
        for gone, span_ms in plan:
            outage.switch(gone)
            end = life.clock.now + span_ms
            while life.clock.now < end:
                if "clock" in gone:
                    outage.jump()
                for trap in life.traps:
                    if due[trap.number] <= life.clock.now:
                        every = EVERY_H["radio" if trap in life.antenna.traps else "network"] * HOUR_MS
                        due[trap.number] = life.clock.now + draws.expovariate(1 / every)
                        seen[trap.number] += 1
                        life.see(trap, (seen[trap.number],), draws)
                following = [at for at in due.values() if at > life.clock.now]
                if "clock" in gone:
                    following.append(life.clock.now + DAY_MS / 4)
                life.run(_never, int(min([*following, end])) - life.clock.now + 1)
            for text in life.books.unclean():
                life.books.violation(f"unclean: {text} (after {', '.join(gone) or 'nothing'} was gone)")
        life.finish(CATCH_UP_MS)
    counts = dict(life.books.counts) | {f"months without {story}" if story in GONE else f"months, {story}": 1}
    counts |= {"virtual days": life.clock.now // DAY_MS, "ended by itself": sum(life.base.ended.values())}
    return {"counts": counts, "violations": life.books.violations, "ended": dict(life.base.ended)}


def _plan(story: str, days: int) -> list[tuple[frozenset[str], int]]:
    none: frozenset[str] = frozenset()
    if story == "together":
        return [(none, BEFORE_MS), (frozenset(GONE), days * DAY_MS), (none, BEFORE_MS)]
    names = GONE if story == "in turn" else (story,)
    span_ms = days * DAY_MS // len(names)
    return [(none, BEFORE_MS), *((frozenset((name,)), span_ms) for name in names), (none, BEFORE_MS)]


_never: Callable[[], bool] = lambda: False  # noqa: E731
