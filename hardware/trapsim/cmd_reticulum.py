"""`trapsim reticulum`: the same objects through Reticulum, and the table of RETICULUM.md."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapsim.arguments import whole
from trapsim.cmd_bench import commit
from trapsim.reticulum_rig import RNS_VERSION, TRANSFER_S, PeerError, Trial, install, run_trial

HARDWARE = Path(__file__).resolve().parents[1]
FIGURES = HARDWARE / "reticulum.json"
SF = 9
SIZES = (8192, 5120, 1500)  # the longest first, so that the last ones end together
LOSSES = (0.3, 0.1)
EACH = ("frame", "packet")
SHORT_BYTES = 1500  # so few frames that most seeds lose none of them at 0.1: twice the runs
RUNS = 3
JOBS = 4
TRIES = 2


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("reticulum", help="the radio link's objects through Reticulum, side by side")
    parser.add_argument("--runs", type=whole(1, 20), default=RUNS, help=f"of each lossy channel ({RUNS})")
    parser.add_argument("--jobs", type=whole(1, 32), default=JOBS, help=f"runs at once; they mostly wait ({JOBS})")
    parser.add_argument("--ours-only", action="store_true", help="measure our link again, keep Reticulum's figures")
    parser.add_argument("--write", action="store_true", help="write hardware/RETICULUM.md and hardware/reticulum.json")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """Measure and print; 1 when Reticulum cannot be had.  Raises: SetupError."""
    from trapsim.reticulum_page import ours, page

    try:
        figures = _committed() if args.ours_only else _measured(args.runs, args.jobs, running)
    except PeerError as error:
        print(f"trapsim reticulum: {error}", file=sys.stderr)
        return 1
    figures["ours"] = {"commit": commit(), **ours(figures["sf"], _say)}
    if args.write:
        write_atomically(FIGURES, _lines(figures).encode())
        write_atomically(HARDWARE / "RETICULUM.md", page(figures).encode())
    print(page(figures))
    return 0


def trials(runs: int) -> Iterator[Trial]:
    """The grid: the air's pace with and without loss, and the bare line, whose bytes are quickly counted."""
    for loss in LOSSES:
        for size in SIZES:
            for seed in range(1, 1 + (2 * runs if size <= SHORT_BYTES else runs)):
                for each in EACH:
                    yield Trial(size=size, loss=loss, each=each, paced=True, sf=SF, seed=seed)
    for paced in (True, False):
        for size in SIZES:
            for seed in (1, 2):
                yield Trial(size=size, loss=0, each="frame", paced=paced, sf=SF, seed=seed)


def _measured(runs: int, jobs: int, running: Callable[[], bool]) -> dict[str, Any]:
    python = install(_say)

    def measure(trial: Trial) -> dict[str, Any]:
        for attempt in range(TRIES):
            if not running():
                raise PeerError("stopped")
            try:
                found = asdict(trial) | run_trial(python, trial)
            except PeerError as error:
                # A busy machine may start a process too late; what happens after the link stands is never repeated.
                _say(f"{trial}: {error}")
                if attempt == TRIES - 1:
                    raise
            else:
                _say(json.dumps(found))
                return found
        raise AssertionError

    grid = list(trials(runs))
    _say(f"{len(grid)} transfers at the air's own pace, {jobs} at once…")
    with ThreadPoolExecutor(jobs) as pool:
        rows = list(pool.map(measure, grid))
    rows.sort(key=lambda row: (row["paced"], row["size"], row["loss"], row["each"], row["seed"]))
    return {"rns": RNS_VERSION, "commit": commit(), "sf": SF, "limit_s": TRANSFER_S, "runs": rows}


def _committed() -> dict[str, Any]:
    try:
        figures: dict[str, Any] = json.loads(FIGURES.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SetupError(f"--ours-only needs {FIGURES}, which cannot be read: {error}") from error
    return figures


def _lines(figures: dict[str, Any]) -> str:
    """JSON with a line a run: a change of one figure is a change of one line."""
    parts = {name: json.dumps(value) for name, value in figures.items()}
    parts["runs"] = "[\n  " + ",\n  ".join(json.dumps(row) for row in figures["runs"]) + "\n ]"
    parts["ours"] = json.dumps(figures["ours"], indent=1).replace("\n", "\n ")
    return "{\n" + ",\n".join(f' "{name}": {value}' for name, value in parts.items()) + "\n}\n"


def _say(text: str) -> None:
    print(f"reticulum: {text}", file=sys.stderr, flush=True)
