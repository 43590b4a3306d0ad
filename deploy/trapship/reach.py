"""From a port's name to a board at its raw REPL: also for a unit that sleeps, or to which Ctrl-C is data.

A supervisor whose Pi is off has its USB asleep, and a modem reads every byte as data. For both there is a moment after
a reset in which MicroPython looks at Ctrl-C. So the operator presses RESET while this one knocks.
"""

import time
from collections.abc import Callable

from trapkit.errors import SetupError
from trapkit.serialport import ByteLine
from trapship.rawrepl import NOTHING, NoAnswer, RawRepl

PRESS = "no answer yet: press the board's RESET button once, or unplug it and plug it in again; knocking for {:.0f} s…"
PAUSE_S = 0.2


class Reached:
    """A board that answers: `repl`, and `close()`."""

    def __init__(self, line: ByteLine, repl: RawRepl, who: dict[str, object]) -> None:
        self._line = line
        self.repl = repl
        self.who = who

    def close(self) -> None:
        self._line.close()


def reach(port: str, wait_s: float, say: Callable[[str], None]) -> Reached:
    """The board at `port`, within `wait_s`.

    Raises: SetupError when the port cannot be opened in all that time; NoAnswer when nobody there is a MicroPython.
    """
    deadline = time.monotonic() + wait_s
    asked, heard = False, ""
    while True:
        line = None
        try:
            line = ByteLine(port)
            repl = RawRepl(line)
            repl.enter()
            return Reached(line, repl, repl.call("who"))
        except (SetupError, ConnectionError) as error:  # NoAnswer is one of these
            if line is not None:
                line.close()
            if isinstance(error, NoAnswer) and str(error) != NOTHING:
                heard = str(error)  # what it said once tells more than that it is silent now
            if asked and time.monotonic() >= deadline:
                if isinstance(error, SetupError):
                    raise
                raise NoAnswer(
                    f"{port}: {heard or error}; is it a data cable, is MicroPython on the board "
                    "(deploy/guide-engineer.md), was RESET pressed?"
                ) from error
        if not asked:
            say(PRESS.format(wait_s))
            asked = True
        time.sleep(PAUSE_S)
