"""Virtual time under the base's own modules: whatever asks for the time gets the world's."""

import time
from typing import Any

from trapsim.basesoak.things import UTC_MS


class WorldClock:
    """`now`: ms since the world began; `off_ms`: how far the base's clock is off."""

    def __init__(self) -> None:
        self.now = 1000
        self.off_ms = 0

    @property
    def utc_ms(self) -> int:
        """What the base's clock shows, Unix ms; never before 1970."""
        return max(0, UTC_MS + self.now + self.off_ms)


class TimeModule:
    """Stands in for the module `time` in the base's files."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time(self) -> float:
        return self._clock.utc_ms / 1000

    def time_ns(self) -> int:
        return self._clock.utc_ms * 1_000_000

    def monotonic(self) -> float:
        return self._clock.now / 1000

    def monotonic_ns(self) -> int:
        return self._clock.now * 1_000_000
