"""One object from a trap to a base that does not hear it, by a repeater, measured beside the same without a hop."""

import random
from collections.abc import Sequence
from statistics import median_high
from typing import Any

from trapkit.aes import AesCcm
from trapkit.errors import SetupError
from trapsim.ether import BASE, BASE_TURNAROUND_MS, TRAP_TURNAROUND_MS, BaseEnd, Ether, TrapEnd
from trapsim.keyed import link_key
from trapsim.linkrun import EPOCH, GIVE_UP_MS, HELLO_MS, OURS, TRAP, Case, bound_us, measure
from trapsim.places import Places
from trapwire.airtime import SMALLEST_FRAME_BYTES, largest_frame
from trapwire.frame import Counter
from trapwire.hop import HOP_BYTES, HopKey
from trapwire.hopbase import HopBaseLink
from trapwire.hoptrap import HopTrapLink
from trapwire.linkkeys import DOWN, UP, LinkKey
from trapwire.linktimes import LinkTimes
from trapwire.objects import FRAME, Envelope, ObjectKey
from trapwire.payloads import Heartbeat
from trapwire.relay import Relay

REPEATER = 1000
BURST_S = 3600  # what a trap may cause is no limit here
FIGURES = ("seconds", "frames", "airtime_ms", "efficiency")


def _hop_key() -> HopKey:
    return HopKey(link_key(TRAP)[::-1], TRAP, AesCcm)


class HopTrapEnd(TrapEnd):
    """A trap that goes by a repeater."""

    def __init__(self, address: int, sf: int, frame_bytes: int, seed: int) -> None:
        super().__init__(address, frame_bytes, seed)
        draws = random.Random(seed)  # noqa: S311 - back-off, repeatable
        self._link = HopTrapLink(
            _hop_key(), sf, LinkKey(link_key(address), address, UP, AesCcm), frame_bytes, LinkTimes(),
            Counter(0, lambda _: None), self._queue.get, lambda n: draws.randrange(n) if n > 0 else 0,
            lambda: Heartbeat({"battery": 80}),
        )  # fmt: skip


class HopBaseEnd(BaseEnd):
    """Its base."""

    turnaround_ms = BASE_TURNAROUND_MS

    def __init__(self, address: int, sf: int, frame_bytes: int) -> None:
        super().__init__([address], frame_bytes)
        keys = {address: [LinkKey(link_key(address), address, DOWN, AesCcm)]}
        self._link = HopBaseLink({address: _hop_key()}, sf, keys, frame_bytes, Counter(0, lambda _: None))


class RelayEnd:
    """The repeater."""

    turnaround_ms = TRAP_TURNAROUND_MS

    def __init__(self, sf: int, frame_bytes: int, seed: int) -> None:
        draws = random.Random(seed)  # noqa: S311 - repeatable
        self.relay = Relay({TRAP: _hop_key()}, frame_bytes, sf, BURST_S, 1000, draws.randrange)

    def on_frame(self, frame: bytes, now: int) -> None:
        self.relay.on_frame(frame, now)

    def next_frame(self, now: int, busy: bool) -> bytes | None:
        return self.relay.next_frame(now, busy)

    def sent(self, now: int) -> None:
        """It waits for nothing."""

    def deadline(self, now: int) -> int | None:
        return self.relay.deadline()


def measure_hop(case: Case, seed: int) -> dict[str, Any]:
    """One transfer with `case.loss` on each hop.  Raises: SetupError where the plan leaves no room for a hop."""
    limit = largest_frame(case.plan, case.sf)
    if limit - HOP_BYTES < SMALLEST_FRAME_BYTES:
        raise SetupError(f"--repeater --plan {case.plan} --sf {case.sf}: frames of {limit} bytes leave no room for it")
    draws = random.Random(seed)  # noqa: S311 - losses, repeatable
    air = Places(case.sf, 0.0, draws.random)
    air.deaf = {(BASE, TRAP)}
    trap, base = HopTrapEnd(TRAP, case.sf, limit, seed), HopBaseEnd(TRAP, case.sf, limit)
    ether = Ether(air, {BASE: base, TRAP: trap, REPEATER: RelayEnd(case.sf, limit, seed)})
    if not ether.run(lambda: trap.heard, HELLO_MS):
        raise SetupError(f"no answer to the first heartbeat within {HELLO_MS} ms, without any loss")
    envelope = Envelope(ObjectKey(TRAP, EPOCH, 1, FRAME), draws.randbytes(case.size))
    trap.at(ether.now, envelope, 0)
    start_ms, frames, micros = ether.now, air.frames, air.airtime_us
    air.loss = case.loss
    delivered = ether.run(lambda: envelope.key in trap.delivered, GIVE_UP_MS)
    micros = air.airtime_us - micros
    return {
        "delivered": delivered and list(base.committed) == [envelope.key],
        "seconds": (ether.now - start_ms) / 1000,
        "frames": air.frames - frames,
        "airtime_ms": micros / 1000,
        "efficiency": round(bound_us(case.size, case.plan, case.sf) / micros, 4),
        "collisions": air.collisions,
    }


def compare_hop(case: Case, seeds: Sequence[int]) -> dict[str, Any]:
    """Medians (the worse of two) by repeater, and without: `efficiency` is the bound of one hop over all airtime."""
    hops = [measure_hop(case, seed) for seed in seeds]
    near = [measure(case, OURS, seed) for seed in seeds]
    return {
        "size": case.size, "plan": case.plan, "sf": case.sf, "loss": case.loss, "runs": len(seeds),
        "delivered": all(run["delivered"] for run in hops),
        "by_repeater": {name: _worse(name, [run[name] for run in hops]) for name in FIGURES},
        "directly": {name: _worse(name, [getattr(run, name) for run in near]) for name in FIGURES},
        "collisions": sum(run["collisions"] for run in hops),
    }  # fmt: skip


def _worse(name: str, values: list[float]) -> float:
    return -median_high([-v for v in values]) if name == "efficiency" else median_high(values)


def text(figures: dict[str, Any]) -> str:
    """A line a figure."""
    lines = [
        f"{figures['size']} bytes at SF{figures['sf']} on {figures['plan']}, loss {figures['loss']} on each hop, "
        f"{figures['runs']} runs, medians; delivered: {'yes' if figures['delivered'] else 'no'}; "
        f"collisions in all runs: {figures['collisions']}",
        f"{'':<14}{'by repeater':>14}{'directly':>14}",
    ]
    for name in FIGURES:
        lines.append(f"{name:<14}{figures['by_repeater'][name]:>14,}{figures['directly'][name]:>14,}")
    return "\n".join(lines)
