"""The light on the lid and the beeper: few patterns, each with one meaning, only while somebody is there.

pattern    light                          beeper          meaning
LEAVE      long on, twice                 long, twice     armed and heard by the base: you may leave
NOT_HEARD  quick, six times               six short       armed, but the base has not answered
BATTERY    two short, pause, three times  the same        the battery is low: change it
CARD       three short, pause, thrice     the same        the Pi's card is at fault: change it
FAULT      four short, pause, thrice      the same        a fault: plug in a phone or read the log
WAIT       a wink every two seconds       silent          the unit is asking the base
SERVICE    even, half a second            one short       service: the Pi is on, the page comes up
"""

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

NONE, LEAVE, NOT_HEARD, BATTERY, CARD, FAULT, WAIT, SERVICE = 0, 1, 2, 3, 4, 5, 6, 7
# ms on and off in turn, how often, and whether the beeper goes along
_SHORT, _PAUSE = 150, 1000
PATTERNS = {
    LEAVE: ((2000, 500), 2, True),
    NOT_HEARD: ((_SHORT, _SHORT), 6, True),
    BATTERY: ((_SHORT, _SHORT, _SHORT, _PAUSE), 3, True),
    CARD: ((_SHORT, _SHORT, _SHORT, _SHORT, _SHORT, _PAUSE), 3, True),
    FAULT: ((_SHORT, _SHORT, _SHORT, _SHORT, _SHORT, _SHORT, _SHORT, _PAUSE), 3, True),
    WAIT: ((50, 1950), 60, False),
    SERVICE: ((500, 500), 4, False),
}


class Lights:
    """lamp(on), beep(on): the board's. `showing`: the pattern, or NONE."""

    def __init__(self, lamp: "Callable[[bool], None]", beep: "Callable[[bool], None]") -> None:
        self._lamp = lamp
        self._beep = beep
        self._since = 0
        self._lit: "bool | None" = None
        self.showing = NONE

    def show(self, pattern: int, now: int) -> None:
        """Begin a pattern, in place of one that may be going on."""
        self.showing, self._since = pattern, now

    def step(self, now: int) -> "int | None":
        """Light or dark, as is due; when to call again, None when nothing is shown."""
        lit, until = False, None
        if self.showing:
            times, count, _ = PATTERNS[self.showing]
            turn = sum(times)
            at = now - self._since
            if at >= turn * count:
                self.showing = NONE
            else:
                at, begun = at % turn, now - at % turn
                edge = 0
                for i, ms in enumerate(times):
                    edge += ms
                    if at < edge:
                        lit, until = not i % 2, begun + edge
                        break
        if lit != self._lit:
            self._lit = lit
            self._lamp(lit)
            self._beep(lit and PATTERNS[self.showing][2])
        return until
