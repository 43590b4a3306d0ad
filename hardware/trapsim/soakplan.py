"""What happens in one night of the soak, drawn from its seed and number: the channel, the sightings, the resets."""

import random
from dataclasses import dataclass

from trapsim.fades import KINDS
from trapwire.frame import Counter

AIRS = (("eu868", 7), ("eu868", 8), ("eu868", 9), ("cn470", 9), ("cn470", 10), ("as923", 8), ("as923", 9))
LOSS_MAX = 0.5
TRAPS_MAX = 6
SIGHTINGS = (20, 60)  # of a trap in a night
EVERY_MS = (2_000, 10_000, 60_000, 600_000)  # mean time between moments: from a full air to a quiet one
TOGETHER = 0.5  # share of sightings at the very moment at which the other traps have theirs
CROPS_MAX = 0.2  # share of sightings with a crop
CROP_BYTES = (200, 2000)
RECEIPT_BYTES = (74, 400)
RECEIPTS_MAX = 3  # to a trap in a night
TRAP_RESETS_MAX = 4  # of each
BASE_RESETS_MAX = 5
PARROTS = 8  # one night in so many, somebody plays frames again that he heard in that night
COUNTER_ENDS = (0, 0x10000, 0x12340000)  # counters begin within a few blocks below or above these

# At what moment it strikes: any; a frame came and nothing was made of it; the link took it and nothing was written;
# a frame was sealed and not sent; a frame is on the air, of which the next run knows nothing.
TRAP_RESETS = ("any", "hearing", "heard", "sealed", "sending")
# The same; and ingest has committed, and the link was not told; all power gone, with what was on its way to ingest.
BASE_RESETS = ("any", "hearing", "heard", "sealed", "committed", "power")


@dataclass(frozen=True, kw_only=True)
class TrapPlan:
    """`sightings`: (ms, size of the crop or 0); `resets`: (ms from which on, moment); `receipts`: (ms, size)."""

    first_counter: int
    sightings: tuple[tuple[int, int], ...]
    resets: tuple[tuple[int, str], ...]
    receipts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`traps`: their plans, number 1 first; `slow_ms`: the longest commit; `refused`: share that ingest refuses."""

    seed: int
    night: int
    plan: str
    sf: int
    burst: str
    loss: float
    traps: tuple[TrapPlan, ...]
    first_counter: int
    base_resets: tuple[tuple[int, str], ...]
    slow_ms: int
    refused: float
    has_parrot: bool

    @property
    def alerts(self) -> int:
        return sum(len(trap.sightings) for trap in self.traps)


def draws_of(seed: int, night: int, what: str) -> random.Random:
    """A generator of its own for every use, so that a change of one leaves the others alone."""
    return random.Random(f"{seed}/{night}/{what}")  # noqa: S311 - a simulation, repeatable by its seed


def draw(seed: int, night: int) -> Plan:
    """The plan of one night."""
    draws = draws_of(seed, night, "plan")
    air, sf = draws.choice(AIRS)
    every_ms = draws.choice(EVERY_MS)
    moments = [0]
    for _ in range(draws.randint(*SIGHTINGS) - 1):
        moments.append(moments[-1] + 1 + int(draws.expovariate(1 / every_ms)))
    crops = draws.uniform(0, CROPS_MAX)
    traps = tuple(_trap(draws, moments, every_ms, crops) for _ in range(draws.randint(1, TRAPS_MAX)))
    return Plan(
        seed=seed, night=night, plan=air, sf=sf, burst=draws.choice(sorted(KINDS)), loss=draws.uniform(0, LOSS_MAX),
        traps=traps, first_counter=_counter(draws),
        base_resets=_resets(draws, BASE_RESETS_MAX, BASE_RESETS, moments[-1]),
        slow_ms=draws.choice((40, 400, 4000)), refused=draws.choice((0.0, 0.0, 0.1)),
        has_parrot=draws.randrange(PARROTS) == 0,
    )  # fmt: skip


def _trap(draws: random.Random, moments: list[int], every_ms: int, crops: float) -> TrapPlan:
    sightings = []
    for at_ms in moments:
        apart_ms = 0 if draws.random() < TOGETHER else draws.randrange(every_ms)
        sightings.append((at_ms + apart_ms, draws.randint(*CROP_BYTES) if draws.random() < crops else 0))
    receipts = [(draws.randint(0, moments[-1]), draws.randint(*RECEIPT_BYTES))
                for _ in range(draws.randint(0, RECEIPTS_MAX))]  # fmt: skip
    return TrapPlan(
        first_counter=_counter(draws),
        sightings=tuple(sorted(sightings)),
        resets=_resets(draws, TRAP_RESETS_MAX, TRAP_RESETS, moments[-1]),
        receipts=tuple(sorted(receipts)),
    )


def _resets(draws: random.Random, most: int, kinds: tuple[str, ...], last_ms: int) -> tuple[tuple[int, str], ...]:
    return tuple(sorted((draws.randint(0, last_ms), draws.choice(kinds)) for _ in range(draws.randint(0, most))))


def _counter(draws: random.Random) -> int:
    return max(0, draws.choice(COUNTER_ENDS) + draws.randint(-2 * Counter.BLOCK, 2 * Counter.BLOCK))
