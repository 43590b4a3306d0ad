"""A life whose base dies again and again, at drawn moments: durable calls, and calls that leave the base."""

import random
from pathlib import Path
from typing import Any

from trapsim.basesoak.life import Life
from trapsim.crash import Fuse, fused
from trapsim.soakplan import draws_of

DEATHS = 20  # of one life
GAP = (1, 160)  # calls from one death to the next
BETWEEN = 0.1  # share of deaths between two steps, at a drawn time
SIGHTINGS = (2, 5)  # of each trap


class DrawnFuse(Fuse):
    """Burns `left` times, each time after a drawn number of calls."""

    def __init__(self, draws: random.Random, left: int) -> None:
        super().__init__()
        self._draws = draws
        self.left = left
        self.kill_at: int | None = None
        self.wind(0)

    def wind(self, now: int) -> None:
        """Draw the next death."""
        self.burn_at, self.kill_at = frozenset(), None
        if self.left <= 0:
            return
        self.left -= 1
        if self._draws.random() < BETWEEN:
            self.kill_at = now + self._draws.randint(20, 3000)
        else:
            self.burn_at = frozenset((self.calls + self._draws.randint(*GAP),))


def run_life(seed: int, number: int, folder: Path, deaths: int = DEATHS) -> dict[str, Any]:
    """One life of a seed: its counts and its violations."""
    draws = draws_of(seed, number, "kills")
    drawn = DrawnFuse(draws_of(seed, number, "deaths"), deaths)
    with fused(drawn) as fuse:
        life = Life(
            folder, draws, fuse, radio=draws.randint(0, 2), network=draws.randint(1, 2),
            loss=draws.choice((0.0, 0.1, 0.3)), apart=draws.random() < 0.5,
        )  # fmt: skip
        with life.seams.in_place():
            for trap in life.traps:
                life.see(trap, range(1, draws.randint(*SIGHTINGS) + 1), draws)
            died, between, seen = 0, 0, 0

            def watch() -> bool:
                nonlocal died, between, seen
                now = life.clock.now
                if drawn.kill_at is not None and now >= drawn.kill_at:
                    life.base.kill(draws.choice(life.base.programs))
                    between += 1
                    drawn.wind(now)
                elif drawn.deaths > died:
                    died = drawn.deaths
                    drawn.wind(now)
                    if died % 4 == 0:
                        life.broker.drop()
                if life.is_done() and (drawn.burn_at or drawn.kill_at):
                    # All is delivered and deaths are left: another sighting for them to strike.
                    seen += 1
                    life.see(draws.choice(life.traps), (100 + seen,), draws)
                return False

            life.run(lambda: watch() or (life.is_done() and not drawn.burn_at and drawn.kill_at is None))
            life.finish()
    counts = dict(life.books.counts) | {"kills": died + between, "kills between two steps": between}
    counts |= {f"kill in {place}": count for place, count in life.base.deaths.items()}
    counts |= {"ended by itself": sum(life.base.ended.values()), "virtual seconds": life.clock.now // 1000}
    return {"counts": counts, "violations": life.books.violations, "ended": dict(life.base.ended)}
