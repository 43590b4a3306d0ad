"""What a radio really did, judged by the rule itself: airtime in every window of true time. Knows no buckets.

And a unit that obeys a governor while its clock, its resets and its sending are as bad as they may be.
"""

from trapwire.errors import WireError
from trapwire.governor import STARTS_WITHIN_MS, Governor

MINUTE_MS = 60000
HOUR_MS = 3600000


def fullest_window_us(frames, window_ms):
    """The most airtime in any window, of frames (start, end) in us of true time.

    What a window holds changes linearly as it moves, except where an edge of it meets an edge of a frame: so the
    fullest one begins where a frame begins, or ends where one ends.
    """
    window_us = window_ms * 1000
    fullest = 0
    for begins in [start for start, _ in frames] + [end - window_us for _, end in frames]:
        held = 0
        for start, end in frames:
            held += max(0, min(end, begins + window_us) - max(start, begins))
        fullest = max(fullest, held)
    return fullest


class Unit:
    """A radio under a governor. `true_us` is the world's clock; the board's begins anew at each reset."""

    def __init__(self, name, true_us=0):
        self.name = name
        self.true_us = true_us
        self._booted_us = true_us
        self.governor = Governor(name, self.now())
        self.frames = []  # (start, end) in true us
        self.ordinary = []  # those that were not urgent
        self.saved = self.governor.snapshot(self.now())
        self._saved_us = true_us

    def now(self):
        return (self.true_us - self._booted_us) // 1000

    def pass_us(self, micros):
        self.true_us += micros

    def wait_ms(self, airtime_us, urgent):
        """What the governor says, or None where it refuses."""
        try:
            return self.governor.wait_ms(self.now(), airtime_us, urgent)
        except WireError:
            return None

    def send(self, airtime_us, urgent=False, late_us=0):
        """Send if it may go now; the antenna needs `late_us` until it is on the air. Whether it went."""
        if self.wait_ms(airtime_us, urgent) != 0:
            return False
        self.governor.spent(self.now(), airtime_us)
        self.saved = self.governor.snapshot(self.now())
        self._saved_us = self.true_us
        start = self.true_us + min(late_us, STARTS_WITHIN_MS * 1000)
        self.frames.append((start, start + airtime_us))
        if not urgent:
            self.ordinary.append((start, start + airtime_us))
        self.true_us = start + airtime_us
        return True

    def reset(self, off_us, known_percent=None):
        """Off for a while, then on again with what was saved; of the time since then it knows so much, or nothing."""
        self.true_us += off_us
        away_ms = None
        if known_percent is not None:
            away_ms = (self.true_us - self._saved_us) // 1000 * known_percent // 100
        self._booted_us = self.true_us
        self.governor = Governor(self.name, 0)
        return self.governor.restore(self.saved, 0, away_ms)

    def clock_back(self, millis):
        """The board's clock jumps back, as none should."""
        self._booted_us += millis * 1000

    def broken(self):
        """The rule that was broken, or nothing."""
        plan = self.governor.plan
        if plan.dwell_ms and any(end - start > plan.dwell_ms * 1000 for start, end in self.frames):
            return "dwell"
        if plan.duty < 10000:
            budget_us = plan.window_ms * plan.duty // 10
            if fullest_window_us(self.frames, plan.window_ms) > budget_us:
                return "window"
            if fullest_window_us(self.ordinary, plan.window_ms) * 10 > budget_us * 9:
                return "reserve"
        return ""
