"""`trapsim pins`: whether the pin map can work; with `--write` all that is made from it; with `--draw` the pictures."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from trapkit.files import write_atomically
from trapsim.pinfiles import files
from trapsim.pinmap import HARDWARE, read_pins, read_wiring
from trapsim.pins import check, check_wiring
from trapsim.wiring import COLOURS, draw


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("pins", help="check hardware/pins.toml; write what is made from it")
    parser.add_argument("what", nargs="?", choices=["check"], default="check", help="what happens without an option")
    parser.add_argument("--pins", type=Path, metavar="FILE", default=HARDWARE / "pins.toml", help="another pin map")
    parser.add_argument("--wiring", type=Path, metavar="FILE", default=HARDWARE / "wiring.toml", help="other drawings")
    parser.add_argument("--write", action="store_true", help="write constants, PINS.md and wiring/*.yml")
    parser.add_argument("--draw", action="store_true", help="also wiring/*.png and *.svg (WireViz, graphviz)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """0 when the map can work and what is made from it is fresh (or was written), 1 when it is stale.

    Raises: SetupError with every fault of the map, OSError.
    """
    pin_map, wiring = read_pins(args.pins), read_wiring(args.wiring)
    check(pin_map)
    check_wiring(wiring, pin_map, COLOURS)
    made = files(pin_map, wiring)
    stale = [path for path, text in made.items() if not path.is_file() or path.read_text("utf-8") != text]
    if args.write:
        for path in stale:
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, made[path].encode())
    for path in stale:
        print(f"{'written' if args.write else 'stale'}: {path.relative_to(HARDWARE.parent)}")
    if args.draw:
        for path in draw(HARDWARE / "wiring"):
            print(f"drawn: {path.relative_to(HARDWARE.parent)}")
    if stale and not args.write:
        print("trapsim: these files are not what the map says; run `trapsim pins --write`", file=sys.stderr)
        return 1
    signals = sum(len(board.signals) for board in pin_map.boards.values())
    print(f"{len(pin_map.boards)} boards, {signals} signals, {len(wiring.drawings)} drawings: no fault")
    return 0
