"""`trapsim bench --base`: the base's figures against its targets, in one run."""

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trapkit.files import write_atomically
from trapsim.basebench.backlog import bench_backlog
from trapsim.basebench.durable import bench_durable
from trapsim.basebench.feed import Season
from trapsim.basebench.goodput import bench_goodput
from trapsim.basebench.growth import bench_growth
from trapsim.basebench.page import page

HARDWARE = Path(__file__).resolve().parents[2]
SIZES = (1_000, 10_000, 100_000, 1_000_000)


def bench_base(scratch: Path, commit: str, say: Callable[[str], None], *, quick: bool) -> dict[str, Any]:
    """All figures; `quick`: of tiny sizes, to see that they can be had.  Raises: SetupError."""
    figures: dict[str, Any] = {
        "commit": commit,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": _load(),
    }
    say("ingest: durable sightings beside bare SQLite…")
    figures["durable"] = bench_durable(scratch / "durable", 4 if quick else 300)
    figures["upload"] = bench_goodput(scratch / "upload", 1 if quick else 8, 1 if quick else 4, say)
    say("backlog: a season of 40 traps through real processes…")
    plan = Season(traps=2, days=2) if quick else Season()
    figures["backlog"] = bench_backlog(scratch / "backlog", plan, say)
    figures["growth"] = bench_growth(scratch / "growth", (100, 200) if quick else SIZES, 50 if quick else 200, say)
    return figures | {"load_end": _load()}


def write(figures: dict[str, Any]) -> None:
    """BENCH-BASE.md and its JSON."""
    write_atomically(HARDWARE / "bench-base.json", (json.dumps(figures, indent=1) + "\n").encode())
    write_atomically(HARDWARE / "BENCH-BASE.md", page(figures).encode())


def _load() -> float:
    return round(os.getloadavg()[0], 1)
