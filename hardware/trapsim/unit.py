"""The firmware on a simulated board, as a process: `micropython unit.py FILE`, or called by `trapsim unit`."""

import json
import sys

from trapmcu.main import run
from trapsim.board import SimBoard, make_folders

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Any


def run_unit(arguments: "dict[str, Any]", running: "Callable[[], bool]") -> None:
    """Run until told otherwise; `arguments`: those of `SimBoard`, and the firmware's `settings`.

    Raises: ValueError naming a setting that is wrong.
    """
    make_folders(arguments["flash"])
    board = SimBoard(
        arguments["serial"],
        arguments["flash"],
        arguments["channel_port"],
        arguments["settings"].get("sf", 9),
        arguments["speed"],
        arguments["seed"],
        arguments["pir_ms"],
        running,
    )
    run(board, arguments["settings"])


if __name__ == "__main__":
    try:
        with open(sys.argv[1]) as file:
            given = json.load(file)
        run_unit(given, lambda: True)
    except ValueError as error:
        print("unit:", error)
        sys.exit(2)
