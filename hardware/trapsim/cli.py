"""`trapsim`: the hardware in software. Exit code 0, 1 (failed), 2 (wrong use or set-up)."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from trapkit.errors import SetupError, StorageError
from trapsim import (
    cmd_bench,
    cmd_bom,
    cmd_budget,
    cmd_demo,
    cmd_link,
    cmd_parts,
    cmd_pins,
    cmd_power,
    cmd_reticulum,
    cmd_soak,
)
from trapsim.practise import command as practise


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = argparse.ArgumentParser(prog="trapsim", description="Traps, radio, base and back end on one machine.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    cmd_demo.add_parser(subparsers)
    practise.add_parser(subparsers)
    cmd_bench.add_parser(subparsers)
    cmd_budget.add_parser(subparsers)
    cmd_link.add_parser(subparsers)
    cmd_power.add_parser(subparsers)
    cmd_reticulum.add_parser(subparsers)
    cmd_soak.add_parser(subparsers)
    cmd_pins.add_parser(subparsers)
    cmd_bom.add_parser(subparsers)
    cmd_parts.add_parsers(subparsers)
    args = parser.parse_args(argv)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    try:
        return int(args.run(args, lambda: not stopping.is_set()))
    except SetupError as error:
        print(f"trapsim: {error}", file=sys.stderr)
        return 2
    except (StorageError, OSError) as error:
        print(f"trapsim: {error}", file=sys.stderr)
        return 1
