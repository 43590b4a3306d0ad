"""The time of pictures: the computer's own, or the supervisor's where that is surer (the base said it by radio).

Only stamps are corrected. Timers go by the computer's clock, and that is never set: a trap's computer starts with
whatever time it had when its power went.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from trapcam.frames import Burst

DRIFT_PPM = 100  # how far the computer's clock may run off between two words of the supervisor


@dataclass(frozen=True, kw_only=True)
class _Heard:
    unix_ms: int
    uncertainty_ms: int
    at_ms: int  # monotonic


class Clock:
    """own_ms: how far the computer's clock may be off, None where unknown; system_ms: that clock, Unix ms;
    monotonic_ms: one that nobody sets."""

    def __init__(self, own_ms: int | None, *, system_ms: Callable[[], int], monotonic_ms: Callable[[], int]) -> None:
        self._own_ms = own_ms
        self.system_ms = system_ms
        self._monotonic_ms = monotonic_ms
        self._heard: _Heard | None = None
        self._last_ms: int | None = None

    def hear(self, unix_ms: int, uncertainty_ms: int) -> None:
        """The supervisor says what time it is now. It owns the time: its last word counts."""
        self._heard = _Heard(unix_ms=unix_ms, uncertainty_ms=uncertainty_ms, at_ms=self._monotonic_ms())

    def stamp(self, burst: Burst) -> Burst:
        """The burst with the surer time, never before the burst stamped last: events keep the order of their numbers.

        One that would be is moved there, and is so much less certain.
        """
        ahead_ms, uncertainty_ms = self._better()
        first_ms = min(frame.taken_ms for frame in burst.frames) + ahead_ms
        held_ms = 0 if self._last_ms is None or self._heard is None else max(0, self._last_ms - first_ms)
        self._last_ms = first_ms + held_ms
        if not ahead_ms and not held_ms and uncertainty_ms is None:
            return burst
        frames = []
        for frame in burst.frames:
            off = frame.uncertainty_ms if uncertainty_ms is None else uncertainty_ms
            frames.append(
                replace(
                    frame,
                    taken_ms=frame.taken_ms + ahead_ms + held_ms,
                    uncertainty_ms=None if off is None else off + held_ms,
                )
            )
        trigger = replace(burst.trigger, at_ms=burst.trigger.at_ms + ahead_ms + held_ms)
        return replace(burst, frames=tuple(frames), trigger=trigger)

    def now(self) -> tuple[int, int | None]:
        """The time now (Unix ms) by the surer clock, and how far it may be off (ms; None: nobody knows)."""
        ahead_ms, uncertainty_ms = self._better()
        return self.system_ms() + ahead_ms, self._own_ms if uncertainty_ms is None else uncertainty_ms

    def _better(self) -> tuple[int, int | None]:
        """What to add to the computer's time, and how far that is off; (0, None) where its own is the surer one."""
        if self._heard is None:
            return 0, None
        since_ms = self._monotonic_ms() - self._heard.at_ms
        uncertainty_ms = self._heard.uncertainty_ms + since_ms * DRIFT_PPM // 1_000_000 + 1
        if self._own_ms is not None and self._own_ms <= uncertainty_ms:
            return 0, None
        return self._heard.unix_ms + since_ms - self.system_ms(), uncertainty_ms
