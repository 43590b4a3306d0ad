"""The main loop: read the settings, take the role they name, do what is due, wait."""

from trapmcu.settings import MODEM, REPEATER, complete

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any


def build(board: "Any", settings: "dict[str, Any]") -> "Any":
    """The unit for these settings.

    Raises: ValueError naming the setting that is wrong, and what is allowed.
    """
    merged = complete(settings)
    role = merged["role"]
    # Only the one that runs: code lies in the heap, and a modem's Pico has 190 kB of that.
    if role == MODEM:
        from trapmcu.modem import Modem as Unit
    elif role == REPEATER:
        from trapmcu.repeater import Repeater as Unit  # type: ignore[assignment]
    else:
        from trapmcu.supervisor import Supervisor as Unit  # type: ignore[assignment]
    return Unit(board, merged)


def run(board: "Any", settings: "dict[str, Any]", trials: "Any" = None) -> None:
    """Run the unit until the board says stop (a real board never does), or sends it to sleep: it starts anew then.

    trials: what is tried at this start (`trapmcu.unit.Trials`), confirmed once the unit is seen to do its work.
    """
    unit = build(board, settings)
    proved = trials is None
    if trials is not None and hasattr(unit, "courier"):
        unit.courier.firmware = trials.on_pi
    for code, value in [] if trials is None else trials.news:
        unit.note(code, value)
    while board.running():
        board.feed()
        now = board.now_ms()
        deadline = unit.step(now)
        if not proved and unit.works(now):
            proved = True
            for code, value in trials.confirm():
                unit.note(code, value)
        if trials is not None and trials.over():
            board.reset()
        rest = unit.rest(now)
        if rest is not None:
            board.sleep(*rest)  # does not return
        board.wait(1000 if deadline is None else deadline - now)
