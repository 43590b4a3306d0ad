"""The main loop: read the settings, take the role they name, do what is due, wait."""

from trapmcu.modem import Modem
from trapmcu.repeater import Repeater
from trapmcu.settings import MODEM, REPEATER, SUPERVISOR, complete
from trapmcu.supervisor import Supervisor

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

ROLES = {MODEM: Modem, REPEATER: Repeater, SUPERVISOR: Supervisor}


def build(board: "Any", settings: "dict[str, Any]") -> "Any":
    """The unit for these settings.

    Raises: ValueError naming the setting that is wrong, and what is allowed.
    """
    merged = complete(settings)
    return ROLES[merged["role"]](board, merged)


def run(board: "Any", settings: "dict[str, Any]") -> None:
    """Run the unit until the board says stop (a real board never does), or sends it to sleep: it starts anew then."""
    unit = build(board, settings)
    while board.running():
        board.feed()
        now = board.now_ms()
        deadline = unit.step(now)
        rest = unit.rest(now)
        if rest is not None:
            board.sleep(*rest)  # does not return
        board.wait(1000 if deadline is None else deadline - now)
