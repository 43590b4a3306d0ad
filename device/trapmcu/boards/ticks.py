"""A clock that never goes back, out of the interpreter's ticks, which begin anew every 12.4 days, and a clock chip.

Ticks are exact to 1 ms and wrap; the chip never wraps, counts hundredths of a second, and goes on while we sleep. So
the ticks carry the time from one look at the chip to the next, and a look only corrects what lies outside the 10 ms
that the chip says. Without a chip the ticks alone have to be asked for within half their period, 6.2 days.
"""

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

LOOK_MS = 60000  # ticks of a crystal of 20 ppm are 1.2 ms off by then
CHIP_MS = 10  # the chip's smallest step
ANEW_MS = 10000  # a chip that is so far behind has begun anew: time would stand still until it had caught up


class Ticks:
    """ticks_ms, ticks_diff: as `time` has them on the board. chip_ms: the chip's ms; None where it does not answer."""

    def __init__(
        self,
        ticks_ms: "Callable[[], int]",
        ticks_diff: "Callable[[int, int], int]",
        chip_ms: "Callable[[], int | None] | None" = None,
    ) -> None:
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._chip_ms = chip_ms
        self._at = ticks_ms()
        self._ms = 0  # at those ticks
        self._last = 0  # what was said last
        self.look()

    def now_ms(self) -> int:
        """Never less than the last time."""
        passed = self._ticks_diff(self._ticks_ms(), self._at)
        if not 0 <= passed < LOOK_MS:  # below 0: half a period and more has passed, and only the chip knows how much
            self.look()
            passed = 0
        self._last = max(self._last, self._ms + passed)
        return self._last

    def look(self) -> None:
        """Take the chip's time: now and then, and after each sleep, in which ticks are counted badly."""
        chip = None if self._chip_ms is None else self._chip_ms()
        ticks = self._ticks_ms()
        self._ms += max(0, self._ticks_diff(ticks, self._at))
        self._at = ticks
        if chip is not None and self._ms - chip > ANEW_MS:
            self._chip_ms = None  # until the next start, which finds its flag
        elif chip is not None:
            self._ms = min(max(self._ms, chip), chip + CHIP_MS - 1)
