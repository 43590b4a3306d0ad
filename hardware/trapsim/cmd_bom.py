"""`trapsim bom`: what a trap, a base and a repeater are made of and cost, and what the cold leaves open."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from trapsim.bom import UNITS, missing, read_bom, totals
from trapsim.pinmap import HARDWARE, read_wiring


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("bom", help="bill of materials: totals a unit, and what needs a cold chamber")
    parser.add_argument("--unit", choices=UNITS, help="list the parts of one unit")
    parser.add_argument("--bom", type=Path, metavar="FILE", default=HARDWARE / "bom.csv", help="another bill")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """Print; 1 when a drawing has a part that the bill lacks.  Raises: SetupError for a bill that is wrong."""
    rows = read_bom(args.bom)
    lacking = missing(rows, read_wiring())
    figures = totals(rows)
    if args.json:
        units = [msgspec.to_builtins(total) for total in figures]
        print(json.dumps({"units": units, "lacking": lacking}, indent=1, ensure_ascii=False))
    elif args.unit:
        for row in (row for row in rows if row.unit == args.unit):
            what = f"{row.part} ({row.maker} {row.number})"
            print(f"{row.quantity:>3} × {row.price_eur:>7.2f} €  {what}; −30 °C: {row.at_minus_30}")
    else:
        for total in figures:
            print(
                f"{total.unit:<9}{total.parts:>4} parts {total.pieces:>4} pieces {total.price_eur:>9.2f} € (estimate)"
            )
            print(f"{'':<9}not rated for −30 °C: {', '.join(total.not_rated_for_minus_30) or 'none'}")
    for text in lacking:
        print(f"trapsim: {text}", file=sys.stderr)
    return 1 if lacking else 0
