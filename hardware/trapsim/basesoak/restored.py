"""A base that comes back from last week's backup, while its traps and its back end have gone on.

Between the backup and the end of the disk traps make, hand over and delete; the back end or the modem is gone for a
part of it. The base comes back beside what is left of it, or on a new disk, some with a clock that nobody set;
`trapbase restore` dies at drawn calls and is said again. Then: no frame counter and no receipt's number twice, nothing
sent twice, everything at the back end once; what a trap by radio still has is asked for by radio, and a stick brings
what other traps have.
"""

import random
import shutil
from pathlib import Path
from typing import Any

from trapbase.custody.backup import make_backup
from trapbase.custody.layout import backups_in
from trapbase.custody.restore import restore
from trapsim.basesoak.life import Life
from trapsim.basesoak.outages import DAY_MS, HOUR_MS, calm
from trapsim.basesoak.things import UTC_MS
from trapsim.basesoak.traps import RadioTrap, Trap
from trapsim.basesoak.twins import bring, told_by_stick, write_parcel
from trapsim.crash import Died, Fuse, fused
from trapsim.soakplan import draws_of

NEW_DISK, BESIDE, NO_CLOCK = "a new disk", "beside what is left", "a new disk, and no clock"
STORIES = (NEW_DISK, BESIDE, NO_CLOCK)
IDLE_MS = 300_000
AT_THE_END = 0.6  # share of lives in which what is gone comes back after the disk's end
EVERY_MS = 6 * HOUR_MS  # between two sightings of a trap, on the mean
RECALL_MS = 4 * DAY_MS  # in which what radio traps still have is asked for: turns of six hours
DEATHS = 2  # of `trapbase restore`
DEATH_WITHIN = 40  # durable calls
TIMES = {"heartbeat_ms": HOUR_MS, "pause_max_ms": HOUR_MS}


class Week:
    """Traps that go on seeing cats, whatever becomes of their base."""

    def __init__(self, life: Life, draws: random.Random) -> None:
        self._life = life
        self._draws = draws
        self._due = {trap.number: 0.0 for trap in life.traps}
        self._seen = dict.fromkeys(self._due, 0)

    def pass_by(self, span_ms: int) -> None:
        """Let so much time go by."""
        life = self._life
        end = life.clock.now + span_ms
        while life.clock.now < end:
            for trap in life.traps:
                if self._due[trap.number] <= life.clock.now:
                    self._due[trap.number] = life.clock.now + self._draws.expovariate(1 / EVERY_MS)
                    self.see(trap)
            following = int(min([*self._due.values(), end]))
            life.run(lambda: False, max(1, following - life.clock.now + 1))

    def see(self, trap: Trap) -> None:
        """One sighting now."""
        self._seen[trap.number] += 1
        self._life.see(trap, (self._seen[trap.number],), self._draws)


def back_up(life: Life) -> None:
    """As `trapbase backup` does, beside the running base."""
    for _ in make_backup(life.folder / "base", life.folder / "backups", "north", life.clock.utc_ms, None):
        pass


def come_back(life: Life, draws: random.Random, fuse: Fuse, *, replace: bool) -> int:
    """`trapbase restore` of the newest backup, which may die on its way and is said again; how often it died."""
    died = 0
    while True:
        fuse.burn_at = frozenset({fuse.calls + draws.randrange(DEATH_WITHIN)} if died < DEATHS else ())
        fuse.armed = True
        try:
            for _ in restore(
                backups_in(life.folder / "backups")[-1], life.folder / "base", life.clock.utc_ms, replace=replace
            ):
                pass
        except Died:
            died += 1
            # What it had put in place is there, and a person says it again over that.
            replace = replace or (life.folder / "base").exists()
            continue
        finally:
            fuse.armed = False
            fuse.burn_at = frozenset()
        return died


def run_restored(seed: int, number: int, folder: Path, hours: int = 168) -> dict[str, Any]:
    """One life: its counts and violations. `hours` at most are lost."""
    story = STORIES[number % len(STORIES)]
    draws = draws_of(seed, number, "restored")
    with fused(Fuse()) as fuse:
        life = Life(
            folder, draws, fuse, radio=draws.randint(1, 2), network=draws.randint(1, 2),
            loss=draws.choice((0.0, 0.1, 0.3)), times=TIMES, idle_ms=IDLE_MS, change=calm,
        )  # fmt: skip
        week = Week(life, draws)
        with life.seams.in_place():
            week.pass_by(draws.randint(HOUR_MS, HOUR_MS * hours // 2))
            back_up(life)
            _lose(life, week, draws, hours * HOUR_MS)
            life.base.kill()
            life.outlet.store, life.line.is_open = life.backend, True
            if draws.random() < 0.5:
                life.broker.drop()
            if story != BESIDE:
                shutil.rmtree(life.folder / "base")
            if story == NO_CLOCK:
                life.clock.off_ms = -UTC_MS - life.clock.now
            died = come_back(life, draws, fuse, replace=story == BESIDE)
            life.books.came_back = True
            lost = [key for trap in life.traps for key in trap.card if not life.books.is_held(key)]
            week.pass_by(draws.randint(HOUR_MS, HOUR_MS * hours // 4))
            life.clock.off_ms = 0
            week.pass_by(HOUR_MS)
            by_stick = _gather(life, week)
            life.finish(RECALL_MS)
    counts = dict(life.books.counts) | {
        story: 1, "objects that only their traps had left": len(lost), "of them brought by stick": by_stick,
        "deaths of trapbase restore": died, "virtual days": life.clock.now // DAY_MS,
        "ended by itself": sum(life.base.ended.values()),
    }  # fmt: skip
    return {"counts": counts, "violations": life.books.violations, "ended": dict(life.base.ended)}


def _lose(life: Life, week: Week, draws: random.Random, span_ms: int) -> None:
    """The time of which nothing will be left; without a back end, or a modem, for a part of it."""
    store, first = life.outlet.store, draws.randrange(span_ms)
    week.pass_by(first)
    life.base.kill()  # it is started again, and takes a new block of frame counters
    life.outlet.store = draws.choice((None, None, store))
    life.line.is_open = life.outlet.store is None
    week.pass_by(draws.randrange(span_ms - first))
    if draws.random() < AT_THE_END:
        return  # it is still gone when the disk dies: what the base had taken is on its traps alone
    life.outlet.store, life.line.is_open = store, True
    week.pass_by(draws.randrange(HOUR_MS))


def _gather(life: Life, week: Week) -> int:
    """What the base lacks: of radio traps it asks for it, of others a stick brings it; how much that was."""

    def complete(trap: Trap) -> bool:
        return not trap.waiting and all(life.books.is_held(key) for key in trap.card)

    by_radio = [trap for trap in life.traps if isinstance(trap, RadioTrap)]
    for trap in life.traps:
        week.see(trap)  # a newer number, so that the base knows of those before it
    life.run(lambda: all(complete(trap) for trap in by_radio), RECALL_MS)
    for trap in by_radio:
        for key in trap.card:
            if not life.books.is_held(key):
                life.books.violation(f"lost: {key!r} is on its trap alone, and the base never got it by radio")
    count = 0
    for trap in life.traps:
        left = [key for key in trap.card if not life.books.is_held(key)]
        if left:
            count += len(left)
            # All that has no receipt, as `trapcam collect` writes it.
            bring(life, write_parcel(life.folder / f"stick-{trap.number}", [trap.kept[key] for key in trap.card]))
            told_by_stick(trap)
    return count
