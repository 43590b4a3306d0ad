"""The Pi behind its load switch: started, watched, asked to leave, cut off where it does not (pure).

    state    what ends it                                         next
    off      it is wanted, and no pause after a fault is left     booting: the switch is closed
    booting  it is heard on the serial line                       up
             `boot_ms` over                                       off: cut, NO_START
    up       nothing heard for `silent_ms`                        off: cut, SILENT
             it is not wanted any more                            leaving: asked, again every `ASK_MS`
    leaving  it has halted                                        off
             `leave_ms` over                                      off: cut, NO_HALT
    any      the battery gives way                                off: cut, BATTERY

A Pi that boots is never told to go before it is up: it could not hear it, and its card dislikes a cut. After a fault
it stays off for a minute, and twice as long after each further one in a row, up to an hour.
"""

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

OFF, BOOTING, UP, LEAVING = 0, 1, 2, 3
# Why it was cut
NO_START, SILENT, NO_HALT, BATTERY = 1, 2, 3, 4
ASK_MS = 5000
HALT_MS = 10000  # from "I shut down now" until it has, where no pin tells
REST_MS = 2000  # off, before it is started again: its supply has to fall
PAUSE_MS = 60000
PAUSE_MAX_MS = 3600000


class PiPower:
    """switch(on): the load switch; ask(): tell the Pi to leave; cut(why): it was cut off.

    `state`; `since`: ms at which it began. Times are ms of the board's clock.
    """

    def __init__(
        self,
        settings: "dict[str, int]",
        now: int,
        switch: "Callable[[bool], None]",
        ask: "Callable[[], None]",
        cut: "Callable[[int], None]",
    ) -> None:
        self._boot_ms = settings["pi_boot_ms"]
        self._leave_ms = settings["pi_leave_ms"]
        self._silent_ms = settings["pi_silent_ms"]
        self._switch = switch
        self._ask = ask
        self._cut = cut
        self.state = OFF
        self.since = now
        self.not_before = now
        self.faults = 0  # in a row
        self._heard_at = now
        self._ask_at = 0
        self._halts_at: "int | None" = None

    def heard(self, now: int) -> None:
        """A whole message has come from it."""
        self._heard_at = now
        if self.state == OFF:
            # Off, and yet it speaks: somebody feeds it otherwise, or these are its last words. It counts as up; so the
            # switch is closed, and whichever it was, it is up soon.
            self._switch(True)
        if self.state in (OFF, BOOTING):
            self._enter(UP, now)

    def halting(self, now: int) -> None:
        """It says that it shuts down now."""
        if self.state in (UP, LEAVING):
            if self.state == UP:
                self._enter(LEAVING, now)
            self._halts_at = now + HALT_MS

    def battery_gave_way(self, now: int) -> None:
        if self.state != OFF:
            self._off(now, BATTERY)

    def step(self, now: int, wanted: bool, halted: "bool | None") -> int:
        """Do what is due; when to call again at the latest."""
        if self.state == OFF:
            if wanted and now >= self.not_before:
                self._enter(BOOTING, now)
                self._heard_at = now
                self._switch(True)
        elif self.state == BOOTING:
            if now - self.since >= self._boot_ms:
                self._off(now, NO_START)
        elif self.state == UP:
            if now - self._heard_at >= self._silent_ms:
                self._off(now, SILENT)
            elif not wanted:
                self._enter(LEAVING, now)
                self._halts_at = None
        if self.state == LEAVING:
            if halted or (halted is None and self._halts_at is not None and now >= self._halts_at):
                self._off(now, 0)
            elif now - self.since >= self._leave_ms:
                self._off(now, NO_HALT)
            elif self._halts_at is None and now >= self._ask_at:
                self._ask_at = now + ASK_MS
                self._ask()
        return self._deadline(now, wanted)

    def _deadline(self, now: int, wanted: bool) -> int:
        if self.state == OFF:
            return max(self.not_before, now + 1) if wanted else now + PAUSE_MAX_MS
        if self.state == BOOTING:
            return self.since + self._boot_ms
        if self.state == UP:
            return self._heard_at + self._silent_ms
        return min(self.since + self._leave_ms, now + 500)  # the pin is looked at twice a second

    def _enter(self, state: int, now: int) -> None:
        self.state, self.since = state, now

    def _off(self, now: int, why: int) -> None:
        self._switch(False)
        self._enter(OFF, now)
        self._ask_at = 0
        self._halts_at = None
        self.not_before = now + REST_MS
        if not why:
            self.faults = 0
            return
        self.not_before = now + min(PAUSE_MS << min(self.faults, 6), PAUSE_MAX_MS)
        self.faults += 1
        self._cut(why)
