"""The measurement from outside: processes made, run, and their rows put together."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from trapkit.errors import SetupError
from trapship.keys import make_keys
from trapsim.trapbudget.parts import BACKEND
from trapsim.trapbudget.scenes import make_scenes
from trapsim.trapbudget.stages import STAGES

SECONDS_A_BURST = 60  # the longest that one may take here, on a machine that is busy with other things
WARM = 8  # bursts until every part has had its first turn: not counted


def measure(
    bursts: int, wakes: int, *, stand_in: bool, say: Callable[[str], None], running: Callable[[], bool]
) -> dict[str, Any]:
    """Figures of `wakes` starts and of one run of `bursts`.  Raises: SetupError."""
    with tempfile.TemporaryDirectory(prefix="trapbudget-") as folder:
        place = Path(folder)
        prepare(place)
        starts = []
        for number in range(wakes):
            say(f"start {number + 1} of {wakes}…")
            starts.append(run_child(place, f"start{number}", ["--wake"], 120))
            if not running():
                raise SetupError("stopped before its end; nothing was written")
        say(f"{bursts} bursts…")
        options = ["--bursts", str(bursts), *(["--stand-in"] if stand_in else [])]
        found = run_child(place, "bursts", options, 120 + bursts * SECONDS_A_BURST)
    return {"wake": wake_of(starts), **summed(found), "stand_in": stand_in}


def prepare(folder: Path) -> None:
    """Keys and scenes, which all runs share."""
    make_keys(folder / "keys")
    (folder / "keys" / "backend.pub").write_text(bytes(BACKEND.verify_key).hex())
    (folder / "scenes").mkdir()
    make_scenes(folder / "scenes")


def run_child(folder: Path, name: str, options: Sequence[str], limit_s: float) -> dict[str, Any]:
    """One measured process on a new outbox.  Raises: SetupError with its last words."""
    own = folder / name
    own.mkdir()
    for shared in ("keys", "scenes"):
        (own / shared).symlink_to(folder / shared)
    command = [sys.executable, "-m", "trapsim.trapbudget.child", str(own), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise SetupError(f"the measured trap ended with {done.returncode}: {last}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def wake_of(starts: Sequence[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """ms of each step of a start and of a wake of a running trap, by the clock and in CPU time: the middle of all."""
    rows = [_steps(start) for start in starts]
    return {name: (median(row[name][0] for row in rows), median(row[name][1] for row in rows)) for name in rows[0]}


def _steps(start: dict[str, Any]) -> dict[str, tuple[float, float]]:
    at: dict[str, tuple[float, float]] = {}
    for name, ms, cpu_ms in start["start"]:
        at.setdefault(name, (ms, cpu_ms))
    armed: dict[str, tuple[float, float]] = {}
    for name, ms, cpu_ms in start["armed"]:
        armed.setdefault(name, (ms, cpu_ms))

    def between(after: tuple[float, float], before: tuple[float, float]) -> tuple[float, float]:
        return after[0] - before[0], after[1] - before[1]

    return {
        "Python": at["python"],
        "imports": between(at["imports"], at["python"]),
        "keys and outbox": between(at["outbox and keys"], at["imports"]),
        "model": between(at["model"], at["outbox and keys"]),
        "camera's first picture": between(at["camera"], at["model"]),
        "until the trigger is read": between(at["wake"], at["camera"]),
        "until the burst is whole": between(at["burst"], at["wake"]),
        "first look": between(at["judged"], at["burst"]),
        "all, from the process's start": at["judged"],
        "from WAKE, in a running trap": between(armed["judged"], armed["second wake"]),
        "of that, until the burst is whole": between(armed["burst"], armed["second wake"]),
    }


def summed(found: dict[str, Any]) -> dict[str, Any]:
    """Means by outcome, and how memory went."""
    rows = found["rows"]
    counted = rows[WARM:] if len(rows) > 2 * WARM else rows
    outcomes = {}
    for name in sorted({row["outcome"] for row in counted}):
        of = [row for row in counted if row["outcome"] == name]
        stages = {stage: _mean([row["cpu_s"][stage] for row in of]) for stage in STAGES}
        outcomes[name] = {
            "bursts": len(of),
            "cpu_s": stages,
            "all_s": sum(stages.values()),
            "written": _mean([row["written"] for row in of]),
            "written_most": max(row["written"] for row in of),
            "objects": _mean([row["objects"] for row in of]),
            "unpacked": _mean([row["unpacked"] for row in of]),
        }
    memory = [row["rss_kb"] for row in counted]
    # What grows is what is in use: the allocator takes from the kernel in steps of megabytes and keeps them free.
    used = [row["rss_kb"] - row["free_kb"] for row in counted]
    quarter = max(1, len(memory) // 4)
    return {
        "bursts": len(rows),
        "frames": rows[-1]["frames"],
        "outcomes": outcomes,
        "rss_kb": memory[-1],
        "peak_kb": found["memory_kb"]["VmHWM"],
        "simulation_kb": found["simulation_kb"],
        "growth_kb": median(used[-quarter:]) - median(used[:quarter]),
        "slope_kb_per_1000": slope(used[len(used) // 2 :]) * 1000,
        "seconds": found["seconds"],
    }


def slope(values: Sequence[float]) -> float:
    """Of the line through them by least squares, a step."""
    n = len(values)
    if n < 2:
        return 0.0
    middle = (n - 1) / 2
    over = sum((i - middle) * value for i, value in enumerate(values))
    return over / sum((i - middle) ** 2 for i in range(n))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
