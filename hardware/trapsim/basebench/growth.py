"""What an event costs, how soon a base acknowledges after a start, and its memory, with ever more events in custody."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from trapkit.errors import SetupError
from trapsim.basebench.filled import fill

TRAPS = 40
TURNS = 3
LIMIT_S = 1800.0


def bench_growth(folder: Path, sizes: tuple[int, ...], events: int, say: Callable[[str], None]) -> dict[str, Any]:
    """A row for each of `sizes`: medians of `TURNS` processes, all sizes in turn; each adds five times `events`."""
    folders = {size: folder / str(size) for size in sizes}
    for size, place in folders.items():
        fill(place / "base", TRAPS, size, say)
    return measure(folders, events, say)


def measure(folders: dict[int, Path], events: int, say: Callable[[str], None]) -> dict[str, Any]:
    """The rows for bases that are there, by how many sightings they hold."""
    found: dict[int, list[dict[str, Any]]] = {size: [] for size in folders}
    for turn in range(TURNS):
        for size, place in folders.items():
            say(f"turn {turn + 1} of {TURNS}: {size} sightings are there: start, and what the next ones cost…")
            found[size].append(_measure(place, events))
    rows = [{"events": size} | {name: median(m[name] for m in own) for name in own[0]} for size, own in found.items()]
    last, first = rows[-1], rows[0]
    ratios = {
        name: round(last[name] / first[name], 2) for name in ("ingest_us", "forward_us", "look_ms", "resident_mb")
    }
    return {"rows": rows, "ratios": ratios, "added": events, "turns": TURNS}


def _measure(folder: Path, events: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "trapsim.basebench.child", str(folder), str(TRAPS), str(events)]
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word = process.stdout.readline().strip()
        first_s = time.monotonic() - started
        said = process.stdout.read()
        if word != "acknowledged" or process.wait(LIMIT_S) != 0:
            raise SetupError(f"the measured base ended with {process.returncode}")
    found: dict[str, Any] = json.loads(said)
    return {"first_ack_s": round(first_s, 2)} | found
