"""The firmware on a simulated board, as a process: `micropython unit.py FILE`, or called by `trapsim unit`."""

import gc
import json
import sys

from trapmcu.main import run
from trapmcu.settings import complete
from trapsim.board import SimBoard, Slept, make_folders

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Any


def run_unit(arguments: "dict[str, Any]", running: "Callable[[], bool]") -> None:
    """Run until told otherwise; `arguments`: those of `SimBoard`, and the firmware's `settings`.

    Raises: ValueError naming a setting that is wrong; OSError when the serial line or the flash cannot be used.
    """
    settings = complete(arguments["settings"])
    make_folders(arguments["flash"])
    board = SimBoard(
        arguments["serial"],
        arguments["flash"],
        arguments["channel_port"],
        settings["sf"],
        arguments["speed"],
        arguments["seed"],
        arguments["pir_ms"],
        running,
    )
    try:
        while True:
            try:
                return run(board, settings)
            except Slept:
                gc.collect()  # what a deep sleep leaves: the board's memory, and flash
    finally:
        board.close()


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        given = json.load(file)
    try:
        run_unit(given, lambda: True)
    except ValueError as error:
        print("trapsim: %s: %s" % (given["source"], error), file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print("trapsim: unit at %s, flash %s: %s" % (given["serial"], given["flash"], error), file=sys.stderr)
        sys.exit(1)
