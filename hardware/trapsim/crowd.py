"""Many traps on one channel in virtual time: from an alert's hand-over at the trap to its commit at the base."""

import random
from dataclasses import dataclass
from typing import Any

from trapsim.ether import BASE, SEED_STEP, BaseEnd, End, Ether, TrapEnd
from trapsim.fades import FadingAir, Independent
from trapwire.airtime import usable_frame
from trapwire.alert import Alert
from trapwire.objects import ALERT, CROP, Envelope, ObjectKey

EPOCH = 0xC0FFEE
CROP_BYTES = 1500
START_MS = 3_600_000  # the traps are switched on within an hour, so that their heartbeats keep apart
HELLO_MS = START_MS + 600_000
SETTLE_MS = 1000  # after the last heartbeat's answer
AFTER_MS = 3_600_000  # for the last ones
TAKEN_UNIX_MS = 1_763_686_800_000


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """`every_s`: mean time between a trap's sightings, at random moments; 0: one each, all at the same moment.

    Each sighting is an alert and a crop of `CROP_BYTES`. `loss`: of each reception by itself; `hours`: of hand-overs.
    """

    traps: int = 20
    plan: str = "eu868"
    sf: int = 9
    loss: float = 0.0
    every_s: float = 1800.0
    hours: float = 4.0


def waits(crowd: Crowd, seed: int) -> tuple[list[int], dict[str, float]]:
    """The alerts' times to the base's commit in ms, sorted; and what the channel saw. -1 stands for never."""
    air = FadingAir(crowd.sf, Independent(crowd.loss, seed))
    limit = usable_frame(crowd.plan, crowd.sf)
    numbers = range(1, crowd.traps + 1)
    base = BaseEnd(list(numbers), limit)
    draws = random.Random(seed)  # noqa: S311 - a simulation, repeatable by its seed
    traps = {number: TrapEnd(number, limit, seed, draws.randrange(START_MS)) for number in numbers}
    ends: dict[int, End] = {BASE: base, **traps}
    ether = Ether(air, ends)
    ether.run(lambda: all(trap.heard for trap in traps.values()), HELLO_MS)
    air.start(ether.now)
    start_ms = ether.now
    frames, airtime_us, collisions = air.frames, air.airtime_us, air.collisions
    handed: dict[ObjectKey, int] = {}
    for number, trap in traps.items():
        for event, at_ms in enumerate(_moments(crowd, seed, number, start_ms), 1):
            key = ObjectKey(number, EPOCH, event, ALERT)
            handed[key] = at_ms
            trap.at(at_ms, Envelope(key, _alert()), 0)
            crop = random.Random(seed * SEED_STEP + number * 997 + event).randbytes(CROP_BYTES)  # noqa: S311 - any bytes
            trap.at(at_ms, Envelope(ObjectKey(number, EPOCH, event, CROP), crop), 1)
    ether.run(lambda: False, int(crowd.hours * 3_600_000) if crowd.every_s else 0)
    ether.run(lambda: handed.keys() <= base.committed.keys(), AFTER_MS)
    channel = {
        "frames": air.frames - frames,
        "collisions": air.collisions - collisions,
        "airtime_share": round((air.airtime_us - airtime_us) / 1000 / max(1, ether.now - start_ms), 3),
    }
    return sorted(base.committed[key] - at if key in base.committed else -1 for key, at in handed.items()), channel


def _alert() -> bytes:
    return Alert(TAKEN_UNIX_MS, 200, 1, 230, 1, (60, 70, 80, 90), 80).encode()


def _moments(crowd: Crowd, seed: int, number: int, start_ms: int) -> list[int]:
    if not crowd.every_s:
        return [start_ms + SETTLE_MS]
    draws = random.Random(seed * SEED_STEP + number + 500)  # noqa: S311 - a simulation
    moments, at_s = [], draws.expovariate(1 / crowd.every_s)
    while at_s < crowd.hours * 3600:
        moments.append(start_ms + SETTLE_MS + int(at_s * 1000))
        at_s += draws.expovariate(1 / crowd.every_s)
    return moments


def alert_figures(crowd: Crowd, seeds: range) -> dict[str, Any]:
    """p50, p95 and worst (ms) over the alerts of all seeds; `never`: alerts that did not come within an hour more."""
    all_waits: list[int] = []
    channels = []
    for seed in seeds:
        found, channel = waits(crowd, seed)
        all_waits += found
        channels.append(channel)
    come = sorted(w for w in all_waits if w >= 0)
    return {
        "traps": crowd.traps, "plan": crowd.plan, "sf": crowd.sf, "loss": crowd.loss, "every_s": crowd.every_s,
        "alerts": len(all_waits), "never": len(all_waits) - len(come),
        "p50_ms": _percentile(come, 50), "p95_ms": _percentile(come, 95), "worst_ms": _percentile(come, 100),
        "airtime_share": round(sum(c["airtime_share"] for c in channels) / len(channels), 3),
        "collided_share": round(sum(c["collisions"] for c in channels) / sum(c["frames"] for c in channels), 3),
    }  # fmt: skip


def _percentile(values: list[int], percent: int) -> int | None:
    """The smallest of the sorted values that at least so many per cent do not exceed."""
    return values[max(0, -(-len(values) * percent // 100) - 1)] if values else None
