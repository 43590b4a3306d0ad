"""The unit's share of the air: `trapwire.governor` with a memory in flash, so that a reset frees nothing.

Flash is not written for each frame. What is written down counts `AHEAD_US` more than was spent, and is written again
when that much more has been: after a reset the unit goes on as if it had been spent, and as if no time had passed.
"""

import struct

from trapmcu.flash import read_file, write_file
from trapwire.airtime import airtime_us
from trapwire.governor import Governor
from trapwire.plans import WHOLE

_KEPT = ">QI"
_KEPT_BYTES = 12
AHEAD_US = 2000000  # of 36 s an hour: eighteen writes in an hour that is used up


class Duty:
    """Keeps one radio at `sf` to `plan`; `path`: the file in flash, None without. `left_permille` is for the log.
    slept: what `keep` gave before a deep sleep, over which the board's clock went on.

    Raises: WireError where there is no such plan.
    """

    def __init__(self, plan: str, sf: int, path: "str | None", now: int, slept: "bytes | None" = None) -> None:
        self._governor = Governor(plan, now)
        self._plan = plan
        self._sf = sf
        self._path = path
        self._limited = self._governor.plan.duty != WHOLE
        self._ahead_us = 0  # may be spent before the next write
        if self._limited and slept is not None:
            at, self._ahead_us = struct.unpack(_KEPT, slept[:_KEPT_BYTES])
            self._governor.restore(slept[_KEPT_BYTES:], now, now - at)
            return
        kept = read_file(path) if self._limited and path is not None else None
        if kept is not None:
            self._governor.restore(kept, now)

    def keep(self, now: int) -> bytes:
        """For a deep sleep that follows at once."""
        if not self._limited:
            return b""
        return struct.pack(_KEPT, now, self._ahead_us) + self._governor.snapshot(now)

    def wait_ms(self, now: int, size: int, urgent: bool) -> int:
        """How long a frame of `size` bytes has to wait, 0 if it may go now."""
        return self.wait_us(now, airtime_us(size, self._sf), urgent)

    def tune(self, sf: int) -> None:
        """Frames are sent at this spreading factor from now on."""
        self._sf = sf

    def wait_us(self, now: int, took_us: int, urgent: bool) -> int:
        """The same for a frame of that airtime; in ms."""
        return self._governor.wait_ms(now, took_us, urgent)

    def spent(self, now: int, size: int) -> bool:
        """Book a frame before it is sent; False when it must not be: flash does not take it."""
        return self.book(now, airtime_us(size, self._sf))

    def book(self, now: int, took_us: int) -> bool:
        """The same for a frame of that airtime."""
        if not self._limited:
            return True
        if took_us > self._ahead_us and not self._write(now, took_us):
            return False
        self._governor.spent(now, took_us)
        self._ahead_us -= took_us
        return True

    def left_permille(self, now: int) -> int:
        """What is left of the hour's share."""
        return self._governor.left_permille(now)

    def _write(self, now: int, took_us: int) -> bool:
        ahead_us = max(AHEAD_US, took_us)
        feared = Governor(self._plan, now)
        feared.restore(self._governor.snapshot(now), now)
        feared.spent(now, ahead_us)
        try:
            if self._path is not None:
                write_file(self._path, feared.snapshot(now))
        except OSError:
            return False
        self._ahead_us = ahead_us
        return True
