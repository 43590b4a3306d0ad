"""The whole soak: nights until the alerts are so many, rounds until the hostile frames are; in several processes."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from typing import Any

from trapsim.soakhostile import HOSTILE_COUNTS, ROUND_FRAMES, Round
from trapsim.soaknight import COUNTS, Night
from trapsim.soakplan import draw

LOSSES = 5  # bands of loss in the table
CHUNK = 4  # nights that a process takes at once


def run_night(job: tuple[int, int]) -> dict[str, Any]:
    """(seed, night): its counts, its channel and its violations; an exception is one."""
    plan = draw(*job)
    night = Night(plan)
    try:
        violations = night.run()
    except Exception as error:  # which night it was is what matters
        violations = [f"{type(error).__name__}: {error}"]
    return {
        "name": f"night {plan.night}",
        "burst": plan.burst,
        "loss": plan.loss,
        "violations": violations,
        **night.counts(),
    }


def run_round(job: tuple[int, int, int]) -> dict[str, Any]:
    """(seed, round, frames): its counts and its violations; an exception is one."""
    attack = Round(*job)
    try:
        violations = attack.run()
    except Exception as error:
        violations = [f"{type(error).__name__}: {error}"]
    memory = {"growth_bytes": attack.growth_bytes, "peak_bytes": attack.peak_bytes}
    return {"name": f"round {job[1]}", "violations": violations, "by_way": attack.by_way, **attack.counts, **memory}


def nights(seed: int, alerts: int) -> Iterator[tuple[int, int]]:
    """The first nights of a seed that have so many alerts together."""
    left = alerts
    for number in count(1):
        if left <= 0:
            return
        yield seed, number
        left -= draw(seed, number).alerts


def rounds(seed: int, frames: int) -> Iterator[tuple[int, int, int]]:
    """As many rounds as so many frames take."""
    for number, first in enumerate(range(0, frames, ROUND_FRAMES), 1):
        yield seed, number, min(ROUND_FRAMES, frames - first)


Say = Callable[[str], None]


def soak_alerts(jobs: Iterable[tuple[int, int]], workers: int, say: Say, running: Callable[[], bool]) -> dict[str, Any]:
    """The counts of all nights, of each kind of loss in bands of `LOSSES`, and the violations by night."""
    out: dict[str, Any] = dict.fromkeys(COUNTS, 0) | {"longest_ms": 0, "channels": {}, "violations": {}}
    for done in each(run_night, jobs, workers, CHUNK, running):
        _add(out, done, COUNTS)
        for text in done["violations"]:
            say(f"{done['name']}: {text}")
        band = min(LOSSES - 1, int(done["loss"] * 10))
        names = [*COUNTS, "longest_ms"]
        channel = out["channels"].setdefault(f"{done['burst']} {band}", dict.fromkeys(names, 0))
        _add(channel, done, COUNTS)
        for row in (out, channel):
            row["longest_ms"] = max(row["longest_ms"], done["longest_ms"])
        if out["nights"] % 100 == 0:
            say(f"{out['nights']} nights, {out['alerts']:,} alerts, {len(out['violations'])} nights with violations…")
    return out


def soak_hostile(
    jobs: Iterable[tuple[int, int, int]], workers: int, say: Say, running: Callable[[], bool]
) -> dict[str, Any]:
    """The counts of all rounds, the frames of each way, the most that memory grew, and the violations by round."""
    names = ("growth_bytes", "peak_bytes")
    out: dict[str, Any] = dict.fromkeys((*HOSTILE_COUNTS, *names), 0) | {"by_way": {}, "violations": {}}
    for done in each(run_round, jobs, workers, 1, running):
        _add(out, done, HOSTILE_COUNTS)
        for text in done["violations"]:
            say(f"{done['name']}: {text}")
        for way, frames in done["by_way"].items():
            out["by_way"][way] = out["by_way"].get(way, 0) + frames
        for name in names:
            out[name] = max(out[name], done[name])
        say(f"{out['frames']:,} hostile frames, {len(out['violations'])} rounds with violations…")
    return out


def _add(out: dict[str, Any], done: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        out[name] += done[name]
    if done["violations"] and "violations" in out:
        out["violations"][done["name"]] = done["violations"]


def each(
    work: Callable[[Any], dict[str, Any]], jobs: Iterable[Any], workers: int, chunk: int, running: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    """The results in the jobs' order, so that the sums are the same however many processes there are."""
    if workers == 1:
        results: Iterator[dict[str, Any]] = map(work, jobs)
        yield from _until(results, running)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from _until(pool.map(work, jobs, chunksize=chunk), running)
        pool.shutdown(cancel_futures=True)


def _until(results: Iterator[dict[str, Any]], running: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    for result in results:
        yield result
        if not running():
            return
