"""`trapsim budget`: what a burst costs the trap's computer; the table in device/README.md."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from trapkit.files import write_atomically
from trapsim.arguments import whole

PAGE = Path(__file__).resolve().parents[2] / "device" / "README.md"
BEGIN, END = "<!-- budget: by trapsim budget --write -->", "<!-- /budget -->"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("budget", help="time, memory, bytes written and CPU seconds of a trap's bursts")
    parser.add_argument("--bursts", type=whole(4, 100_000), default=200, help="so many bursts (200)")
    parser.add_argument("--wakes", type=whole(1, 20), default=3, help="so many starts (3); the middle one counts")
    parser.add_argument("--stand-in", action="store_true", help="a detector that answers at once: many more bursts")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--write", action="store_true", help="also write the table into device/README.md")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """Measure and print.  Raises: SetupError when the measured trap does not run, OSError."""
    from trapsim.cmd_bench import commit
    from trapsim.trapbudget.budget import measure
    from trapsim.trapbudget.table import table_of

    command = f"trapsim budget --bursts {args.bursts}" + (" --stand-in" if args.stand_in else "")
    figures = {"command": command, "commit": commit()}
    figures |= measure(args.bursts, args.wakes, stand_in=args.stand_in, say=_say, running=running)
    print(json.dumps(figures, indent=1) if args.json else "\n".join(table_of(figures)))
    if args.write:
        text = PAGE.read_text()
        before, _, rest = text.partition(BEGIN)
        _, found, after = rest.partition(END)
        if not found:
            print(f"trapsim: budget: {PAGE.name} has lost its marks {BEGIN} and {END}", file=sys.stderr)
            return 1
        inside = "\n".join([BEGIN, *table_of(figures), END])
        write_atomically(PAGE, (before + inside + after).encode())
    return 0


def _say(text: str) -> None:
    print(f"budget: {text}", file=sys.stderr, flush=True)
