"""What happens in one season of a trap, drawn from its seed and number: bursts, faults and when they strike."""

import random
from dataclasses import dataclass

from trapsim.trapsoak.marks import ANIMAL, CAT, DOMESTIC, EMPTY, HUMAN, NEAR, VEHICLE

BURSTS = 100  # of a season
REAL_BURSTS = 20  # of one with the real detector, which takes its time
REAL_EVERY = 20  # one season in so many has it
MODULE_EVERY = 6  # one in so many has the Pi's own camera, over its simulated module, with that one's faults
SHOWN = {CAT: 25, DOMESTIC: 8, EMPTY: 30, NEAR: 8, ANIMAL: 9, HUMAN: 13, VEHICLE: 7}  # of a hundred bursts
FRAMES_MOST = 4
BLANK = 0.15  # of a burst's frames show nothing: what was there came late, or had left
YEAR_MS = 365 * 86_400_000
UTC_MS = 1_795_000_000_000  # where the world's clock starts
DAY_MS = 86_400_000

# What may strike for a while: (how often in a season, from and to how many ms).
SPELLS = {
    "card full": (2, 1_000, 60_000),
    "card nearly full": (2, 5_000, 60_000),  # large files no longer fit beside the reserve
    "card read-only": (1, 1_000, 30_000),
    "card errors": (1, 1_000, 30_000),  # one durable call in three fails
    "card slow": (1, 5_000, 30_000),  # a commit takes up to half a minute
    "supervisor silent": (3, 1_000, 90_000),
    "line unplugged": (2, 500, 20_000),
    "queue full": (2, 1_000, 30_000),
    "network down": (3, 1_000, 120_000),
    "network without a base": (2, 1_000, 60_000),
}
# What strikes at one moment.
MOMENTS = {
    "power cut": 10,
    "supervisor restarts": 2,
    "clock jumps": 2,
    "broker killed": 1,
    "let go": 2,  # the supervisor sends the Pi away, and wakes it again
    "a day passes": 3,  # the Pi is off, and woken a day later for the day's picture
    "lid opened": 2,
    "receipt good": 25,
    "receipt forged": 3,
    "receipt of another epoch": 2,
    "receipt for other bytes": 2,
    "recipients missing": 1,  # at the next start
    "recipients damaged": 1,
    "base key damaged": 1,
}
CAMERA = {"dies in mid-burst": 0.03, "hangs": 0.015, "error": 0.015}  # of a burst
GAP_MS = (150, 4_000)  # between two triggers
CALLS_TO_DEATH = (1, 400)  # durable calls between two deaths in the same season; short ones are the usual


@dataclass(frozen=True, kw_only=True)
class PlannedBurst:
    """`shown`: what each frame shows; `fault`: of CAMERA, or none; `fault_at`: the frame at which it strikes."""

    shown: tuple[int, ...]
    fault: str = ""
    fault_at: int = 0


@dataclass(frozen=True, kw_only=True)
class Season:
    """`real`: with the real detector; `module`: with the Pi's own camera; `spells`: (name, from ms, to ms); `moments`:
    (ms, name); `deaths`: durable calls between one and the next."""

    seed: int
    number: int
    real: bool
    module: bool
    bursts: tuple[PlannedBurst, ...]
    spells: tuple[tuple[str, int, int], ...]
    moments: tuple[tuple[int, str], ...]
    deaths: tuple[int, ...]
    networked: bool

    @property
    def length_ms(self) -> int:
        """About how long its triggers take."""
        return len(self.bursts) * sum(GAP_MS) // 2


def draws_of(seed: int, number: int, what: str) -> random.Random:
    """A generator of its own for every use, so that a change of one leaves the others alone."""
    return random.Random(f"trap/{seed}/{number}/{what}")  # noqa: S311 - a simulation, repeatable by its seed


def draw(seed: int, number: int, bursts: int = BURSTS) -> Season:
    """The plan of season `number`; `bursts`: how many it has at the most."""
    draws = draws_of(seed, number, "plan")
    real = number % REAL_EVERY == 0
    count = min(bursts, REAL_BURSTS if real else BURSTS)
    planned = tuple(_burst(draws) for _ in range(count))
    length_ms = count * sum(GAP_MS) // 2
    share = count / BURSTS
    spells = []
    for name, (often, least_ms, most_ms) in SPELLS.items():
        for _ in range(_times(draws, often * share)):
            start = draws.randrange(length_ms)
            spells.append((name, start, start + draws.randint(least_ms, most_ms)))
    moments = [
        (draws.randrange(length_ms), name)
        for name, often in MOMENTS.items()
        if name != "power cut"
        for _ in range(_times(draws, often * share))
    ]
    low, high = CALLS_TO_DEATH
    deaths = tuple(min(high, low + int(draws.expovariate(1 / 60))) for _ in range(_times(draws, 10 * share)))
    return Season(
        seed=seed, number=number, real=real, module=not real and number % MODULE_EVERY == 3, bursts=planned,
        spells=tuple(sorted(spells, key=lambda s: s[1])),
        moments=tuple(sorted(moments)), deaths=deaths, networked=draws.random() < 0.5,
    )  # fmt: skip


def _times(draws: random.Random, mean: float) -> int:
    """A whole number of that mean, from none to twice it."""
    return draws.randint(0, 2) if mean == 1 else int(mean * 2 * draws.random() + 0.5)


def _burst(draws: random.Random) -> PlannedBurst:
    (kind,) = draws.choices(list(SHOWN), weights=list(SHOWN.values()))
    shown = [kind if draws.random() >= BLANK else EMPTY for _ in range(draws.randint(1, FRAMES_MOST))]
    if kind not in shown:
        shown[-1] = kind
    fault = next((name for name, share in CAMERA.items() if draws.random() < share), "")
    return PlannedBurst(shown=tuple(shown), fault=fault, fault_at=draws.randrange(len(shown)))
