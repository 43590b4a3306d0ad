"""`trapsim bench`: run the measurements, print the table, write it with its JSON beside this package."""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapsim.arguments import whole

Row = tuple[str, str, str]  # what, figure, how
HARDWARE = Path(__file__).resolve().parents[1]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("bench", help="latency, detector, the base's targets: tables and JSON")
    parser.add_argument("--state", type=Path, default=Path(".bench"), help="scratch folder (.bench)")
    parser.add_argument("--port", type=whole(1, 65535), default=8081, help="of the page meanwhile (8081)")
    parser.add_argument("--json", action="store_true", help="print the JSON in place of the table")
    parser.add_argument("--against", type=Path, metavar="FILE", help="a .tflite file to time the shipped net beside")
    parser.add_argument("--detector", action="store_true", help="only the detector's figures")
    parser.add_argument("--base", action="store_true", help="only the base's figures, against its targets")
    parser.add_argument("--quick", action="store_true", help="with --base: tiny sizes, to see that it runs")
    parser.add_argument("--write", action="store_true", help="also write BENCH.md and BENCH-BASE.md with their JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """Measure and print.  Raises: SetupError."""
    if args.quick and not args.base:
        raise SetupError("--quick: goes with --base; the rest has one size")
    if args.quick and args.write:
        raise SetupError("--write: figures of --quick say nothing; leave one away")
    if args.base and (args.detector or args.against is not None):
        raise SetupError("--base: measures only the base; leave --detector and --against away")
    state = args.state.absolute()
    state.mkdir(exist_ok=True)
    scratch = state / "bench"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    if not args.base:
        _rest(args, state, scratch)
    if args.base or not args.detector:
        _base(args, scratch)
    return 0


def _base(args: argparse.Namespace, scratch: Path) -> None:
    from trapsim.basebench.command import bench_base, write
    from trapsim.basebench.page import page

    figures = bench_base(scratch, commit(), _say, quick=args.quick)
    print(json.dumps(figures, indent=1) if args.json else page(figures))
    if args.write:
        write(figures)
    shutil.rmtree(scratch, ignore_errors=True)  # gigabytes


def _rest(args: argparse.Namespace, state: Path, scratch: Path) -> None:
    # Here, so that the demo's own processes start without a detector's libraries.
    from trapcam.config import TrapSettings, model_path
    from trapsim.against import bench_against, detect_process_mb
    from trapsim.bench import bench_detector, bench_latency

    model, pictures = model_path(TrapSettings()), scratch / "pictures"
    figures: dict[str, Any] = {
        "commit": commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "detector": bench_detector(model, pictures, _say),
    }
    figures["detector"]["mb_detect_process"] = round(detect_process_mb(pictures, scratch / "results.json"), 1)
    if args.against is not None:
        figures["against"] = bench_against(model, args.against, _say)
    if not args.detector:
        figures["latency"] = bench_latency(state / "demo", args.port, _say)
    page = table(figures)
    print(json.dumps(figures, indent=1) if args.json else page)
    if args.write:
        write_atomically(HARDWARE / "bench.json", (json.dumps(figures, indent=1) + "\n").encode())
        write_atomically(HARDWARE / "BENCH.md", page.encode())


def table(figures: dict[str, Any]) -> str:
    """The figures as a Markdown page."""
    rows = [row for of, made in ROWS.items() if of in figures for row in made(figures[of])]
    lines = [
        "# Bench",
        f"`make bench ARGS=--write`, on {figures['machine']}, at commit {figures['commit']}. A Pi is slower.",
        "",
        "| what | figure | how |",
        "|---|---|---|",
        *(f"| {what} | {figure} | {how} |" for what, figure, how in rows),
    ]
    return "\n".join(lines) + "\n"


def _latency(latency: dict[str, Any]) -> list[Row]:
    return [
        (
            f"PIR edge → alert stored at the base, SF{latency['sf']}",
            f"median {latency['p50_ms']} ms, worst of {latency['alerts']}: {latency['worst_ms']} ms",
            f"{latency['traps']} traps on one channel, triggered together, no loss, real processes",
        )
    ]


def _detector(detector: dict[str, Any]) -> list[Row]:
    return [
        (
            "frames through the detector, one thread",
            f"{detector['frames_per_s']}/s ({detector['ms_per_frame']} ms)",
            f"{detector['model']}, {detector['pictures']} decoded photographs, scaling and second looks included",
        ),
        ("memory of `trapcam detect`, peak resident", f"{detector['mb_detect_process']} MB", "the same photographs"),
    ]


def _against(other: dict[str, Any]) -> list[Row]:
    return [
        (
            f"one look beside `{other['against']}`, one thread",
            f"{other['time_ratio']} × ({other['ms_one_look']} and {other['ms_against']} ms)",
            f"in turn, median of the rounds' ratios; of the minima {other['time_ratio_of_minima']}",
        ),
        (
            "memory of a bare process with each, peak resident",
            f"{other['mb_process']} and {other['mb_process_against']} MB",
            f"Python, NumPy and the runtime included; the files: {other['file_ratio']} ×",
        ),
    ]


ROWS: dict[str, Callable[[dict[str, Any]], list[Row]]] = {
    "latency": _latency, "detector": _detector, "against": _against,
}  # fmt: skip


def commit() -> str:
    """What is measured, as git names it."""
    found = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=HARDWARE)
    return found.stdout.strip() or "unknown"


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
