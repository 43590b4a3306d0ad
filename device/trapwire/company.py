"""Other traps on the channel: when a trap keeps quiet for their sake, and for how long (PROTOCOL.md section 6)."""

from trapwire.frame import QUICK
from trapwire.quick import TURN_MS

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

    from trapwire.frame import Frame
    from trapwire.linktimes import LinkTimes

ABOUT_MS = 600000  # so long after it was heard another trap counts as about
GAP_SLOTS = 3  # of quiet between two pieces where others are about: for their alerts
LATE_SLOTS = 8  # among which a trap without an alert chooses
BUSY_SLOTS = 4  # on a busy channel
MAX_DOUBLINGS = 5  # of the slots among which a trap chooses
MAX_QUIET_WINDOWS = 8  # reply windows in a row that others' headers, which anybody can write, keep this trap quiet


class Company:
    """What a trap hears of the others. `quiet_until`: for their sake; `ever`: whether another trap was ever heard."""

    def __init__(self, times: "LinkTimes", random: "Callable[[int], int]") -> None:
        self.quiet_until = 0
        self.ever = False
        self._times = times
        self._random = random
        self._quiet_since = 0
        self._about_until = 0

    def about(self, now: int) -> bool:
        """Whether another trap was heard lately."""
        return now < self._about_until

    def overhear(self, head: "Frame", has_alert: bool, silent: int, now: int) -> None:
        """Somebody else's frame has ended. silent: our own polls without an answer, in a row."""
        if now > self.quiet_until + self._times.slot_ms:  # in between it had its chance
            self._quiet_since = now
        if not head.down:
            self._about_until = now + ABOUT_MS
            self.ever = True
        slots = self._slots(GAP_SLOTS if has_alert else LATE_SLOTS, silent)
        if head.down and head.kind == QUICK:
            wait = TURN_MS + slots - self._times.slot_ms  # the base hears nobody else
        elif head.flag:
            wait = self._times.reply_window_ms
        elif has_alert:
            wait = slots - self._times.slot_ms
        else:
            wait = slots + (0 if head.down else GAP_SLOTS * self._times.slot_ms)
        if now - self._quiet_since < MAX_QUIET_WINDOWS * self._times.reply_window_ms:
            self.quiet_until = now + wait
        # else it goes by the channel alone, at a moment of its own: all who waited would speak at once

    def wait_while_busy(self, silent: int, now: int) -> None:
        """Somebody is in the air."""
        self.quiet_until = now + self._slots(BUSY_SLOTS, silent)

    def let_others(self, now: int) -> None:
        """Others have waited for the end of our turn, perhaps with an alert: let them speak first."""
        self.quiet_until = now + GAP_SLOTS * self._times.slot_ms + self._random(self._times.slot_ms)

    def _slots(self, count: int, silent: int) -> int:
        """One slot and a random part of `count` more; of twice as many after each silence: too many want to speak."""
        return self._times.slot_ms + self._random(self._times.slot_ms * count << min(silent, MAX_DOUBLINGS))
