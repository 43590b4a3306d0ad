"""One object from a trap to its base, measured: by our link, by stop-and-wait, by selective repeat."""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median_high, median_low
from typing import Any

from trapkit.errors import SetupError
from trapsim.arq import WINDOW as ARQ_WINDOW
from trapsim.arq import ArqBase, ArqTrap, Waits
from trapsim.coded import CodedBase, CodedTrap
from trapsim.ether import BASE, BaseEnd, Ether, TrapEnd
from trapsim.fades import KINDS, FadingAir, TunedFadingAir
from trapsim.meter import Meter
from trapwire.airtime import airtime_us, usable_frame
from trapwire.errors import WireError
from trapwire.fragments import MAX_RADIO_BYTES, Cut
from trapwire.frame import HAVE as HAVE_KIND
from trapwire.frame import HEADER_BYTES, tag_bytes
from trapwire.objects import FRAME, HEAD_BYTES, Envelope, ObjectKey

TRAP = 1
EPOCH = 0xC0FFEE
SIZE_MAX_BYTES = MAX_RADIO_BYTES - HEAD_BYTES
GIVE_UP_MS = 6 * 3600 * 1000  # of virtual time
HELLO_MS = 60_000  # more than a first heartbeat takes
OURS = "ours"
OTHERS = {
    "stop_and_wait": "stop-and-wait, with a reply window of 1.5 s and our pauses",
    "stop_and_wait_short": "stop-and-wait, with the shortest window that an answer fits into, and no pauses",
    "perfect_code": "a perfect erasure code, which no real one reaches, with our reply window and pauses",
    "selective_repeat": f"selective repeat, a window of {ARQ_WINDOW} pieces, with our reply window and pauses",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is measured: an object's body of `size` bytes, and the channel; `burst`: one of `trapsim.fades.KINDS`."""

    size: int
    plan: str
    sf: int
    loss: float
    burst: str
    quick: int = 0  # fastest spreading factor of quick turns, 0 for none


@dataclass(frozen=True, kw_only=True)
class Run:
    """One transfer. Times in ms of virtual time and of airtime, both directions."""

    delivered: bool
    seconds: float
    frames: int
    frames_lost: int
    bytes_on_air: int
    airtime_ms: float
    efficiency: float
    goodput_bit_s: float
    shares_ms: dict[str, int]
    idle_ms: dict[str, int]


def frame_limit(case: Case) -> int:
    """Bytes of the largest frame.  Raises: SetupError when the plan allows none at this spreading factor."""
    try:
        return usable_frame(case.plan, case.sf)
    except WireError as error:
        raise SetupError(f"--plan {case.plan} --sf {case.sf}: {error}") from error


def bound_us(size: int, plan: str, sf: int) -> int:
    """Airtime of `size` bytes in the largest frames of a plan, filled to the brim: no head, no tag, no answer.

    The last frame is as short as the rest of the bytes. 8,192 bytes at SF9 on EU868: 32 of 255 bytes and one of 32.
    """
    largest = usable_frame(plan, sf)
    whole, rest = divmod(size, largest)
    return whole * airtime_us(largest, sf) + (airtime_us(rest, sf) if rest else 0)


def measure(case: Case, protocol: str, seed: int) -> Run:
    """One transfer by `OURS` or one of `OTHERS`; the same seed gives every protocol the same channel."""
    air = (TunedFadingAir if case.quick else FadingAir)(case.sf, KINDS[case.burst](case.loss, seed))
    body = random.Random(seed).randbytes(case.size)  # noqa: S311 - any bytes, repeatable
    envelope = Envelope(ObjectKey(TRAP, EPOCH, 1, FRAME), body)
    ether, start_ms, finished = (_ours if protocol == OURS else _other)(case, protocol, envelope, air, seed)
    meter = ether.watch = Meter(case.sf, frame_limit(case), start_ms, ether.tuned)
    air.start(start_ms)
    delivered = ether.run(lambda: finished() is not None, GIVE_UP_MS)
    end_ms = finished()
    seconds = ((ether.now if end_ms is None else end_ms) - start_ms) / 1000
    return Run(
        delivered=delivered,
        seconds=seconds,
        frames=meter.frames,
        frames_lost=meter.frames_lost,
        bytes_on_air=meter.bytes_on_air,
        airtime_ms=meter.airtime_us / 1000,
        efficiency=round(bound_us(case.size, case.plan, case.sf) / meter.airtime_us, 4) if delivered else 0.0,
        goodput_bit_s=round(8 * case.size / seconds, 1) if delivered else 0.0,
        shares_ms=meter.shares_ms(),
        idle_ms=dict(meter.idle_ms),
    )


_Setup = tuple[Ether, int, Callable[[], int | None]]


def _ours(case: Case, protocol: str, envelope: Envelope, air: FadingAir | TunedFadingAir, seed: int) -> _Setup:
    """Our two ends after a first heartbeat: that is what a link in service looks like."""
    limit = frame_limit(case)
    quick = (case.sf, case.quick) if case.quick else None
    trap, base = TrapEnd(TRAP, limit, seed, quick=quick), BaseEnd([TRAP], limit, quick)
    ether = Ether(air, {BASE: base, TRAP: trap})
    if not ether.run(lambda: trap.heard, HELLO_MS):
        raise SetupError(f"no answer to the first heartbeat within {HELLO_MS} ms, without any loss")
    trap.at(ether.now, envelope, 0)
    return ether, ether.now, lambda: trap.delivered.get(envelope.key) if envelope.key in base.committed else None


def _other(case: Case, protocol: str, envelope: Envelope, air: FadingAir | TunedFadingAir, seed: int) -> _Setup:
    limit = frame_limit(case)
    window = ARQ_WINDOW if protocol == "selective_repeat" else 1
    report_ms = -(-airtime_us(HEADER_BYTES + 2 + tag_bytes(HAVE_KIND), case.sf) // 1000)
    waits = {"stop_and_wait_short": Waits.shortest(report_ms), "stop_and_wait": Waits.usual()}.get(
        protocol, Waits.like_ours()
    )
    data = envelope.encode()
    committed: list[bytes] = []

    def keep(got: bytes, at_ms: int) -> None:
        committed.append(got)

    if protocol == "perfect_code":
        trap: ArqTrap = CodedTrap(data, limit, waits, seed)
        base: ArqBase = CodedBase(data, Cut(data, limit).total, keep)
    else:
        trap, base = ArqTrap(data, limit, window, waits, seed), ArqBase(window, keep)
    return Ether(air, {BASE: base, TRAP: trap}), 0, lambda: trap.finished_ms if committed == [data] else None


FIGURES = ("seconds", "frames", "bytes_on_air", "airtime_ms", "efficiency", "goodput_bit_s")
HIGH_IS_GOOD = ("efficiency", "goodput_bit_s")


def summary(case: Case, runs: Sequence[Run]) -> dict[str, Any]:
    """Figures of several runs: of each the median (the worse of two), `worst`, and `spread` (10th and 90th percentile).

    Where the time goes (`shares_ms`, `idle_ms`) is a mean, so that the shares add up.
    """
    out: dict[str, Any] = {"delivered": all(run.delivered for run in runs), "runs": len(runs)}
    worst: dict[str, float] = {}
    spread: dict[str, list[float]] = {}
    for name in FIGURES:
        values = sorted(getattr(run, name) for run in runs)
        out[name] = (median_low if name in HIGH_IS_GOOD else median_high)(values)
        worst[name] = values[0] if name in HIGH_IS_GOOD else values[-1]
        spread[name] = [values[(len(values) - 1) // 10], values[-1 - (len(values) - 1) // 10]]
    out["bound_ms"] = round(bound_us(case.size, case.plan, case.sf) / 1000)
    out["frames_lost_share"] = round(sum(r.frames_lost for r in runs) / sum(r.frames for r in runs), 3)
    for kind in ("shares_ms", "idle_ms"):
        names = getattr(runs[0], kind)
        out[kind] = {name: round(sum(getattr(r, kind)[name] for r in runs) / len(runs)) for name in names}
    return out | ({"worst": worst, "spread": spread} if len(runs) > 1 else {})


def compare(case: Case, seeds: Sequence[int], others: Sequence[str] = ()) -> dict[str, Any]:
    """The summary of our link, and of each of `others` beside it with the ratio of goodputs, run by run (median)."""
    ours = [measure(case, OURS, seed) for seed in seeds]
    out: dict[str, Any] = asdict(case) | {"seed": seeds[0], "frame_bytes": frame_limit(case)} | summary(case, ours)
    if others:
        out["compare"] = {}
    for name in others:
        theirs = [measure(case, name, seed) for seed in seeds]
        ratios = sorted(a.goodput_bit_s / b.goodput_bit_s for a, b in zip(ours, theirs, strict=True) if b.delivered)
        ratio = round(median_low(ratios), 2) if ratios else None
        out["compare"][name] = summary(case, theirs) | {"goodput_ratio": ratio}
    return out
