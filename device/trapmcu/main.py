"""The main loop: read the settings, take the role they name, do what is due, wait."""

from trapmcu.modem import Modem
from trapmcu.supervisor import Supervisor

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

ROLES = {"supervisor": Supervisor, "modem": Modem}
DEFAULTS: "dict[str, Any]" = {
    "role": "supervisor",
    "trap": 0,  # 1–65535, named at provisioning
    "plan": "",  # no plan named: the unit refuses to transmit
    "sf": 9,
    "queue_bytes": 262144,
    "down_bytes": 16384,
    "repeat_ms": 5000,  # until a receipt is offered to the Pi again
    "times": {},  # see trapwire.traplink.LinkTimes
}


def build(board: "Any", settings: "dict[str, Any]") -> "Any":
    """The unit for these settings.

    Raises: ValueError naming the setting that is unknown, and what is allowed.
    """
    for name in settings:
        if name not in DEFAULTS:
            raise ValueError("unknown setting %r; allowed are: %s" % (name, ", ".join(sorted(DEFAULTS))))
    merged = DEFAULTS.copy()
    merged.update(settings)
    if merged["role"] not in ROLES:
        raise ValueError("role %r is unknown; allowed are: %s" % (merged["role"], ", ".join(sorted(ROLES))))
    return ROLES[merged["role"]](board, merged)


def run(board: "Any", settings: "dict[str, Any]") -> None:
    """Run the unit until the board says stop (a real board never does)."""
    unit = build(board, settings)
    while board.running():
        now = board.now_ms()
        deadline = unit.step(now)
        board.wait(1000 if deadline is None else deadline - now)
