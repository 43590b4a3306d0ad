"""The trap's time: what the base said last, carried on by the board's own clock, and how far it may be off."""

HEAR_MS = 20  # from a frame's last byte until the firmware takes it: one round of the main loop


class Clock:
    """drift_ppm: how far the board's clock may run off. Without a word from the base there is no time."""

    def __init__(self, drift_ppm: int) -> None:
        self._drift_ppm = drift_ppm
        self._set: "tuple[int, int, int] | None" = None  # board's ms, Unix ms, uncertainty ms at that moment

    def hear(self, now: int, unix_ms: int, uncertainty_ms: int) -> bool:
        """Take a time if it is surer than one's own, or if both cannot be true: then the base has corrected itself."""
        uncertainty_ms += HEAR_MS
        own = self.read(now)
        if own is not None and uncertainty_ms > own[1] and abs(unix_ms - own[0]) <= uncertainty_ms + own[1]:
            return False
        self._set = (now, unix_ms, uncertainty_ms)
        return True

    def read(self, now: int) -> "tuple[int, int] | None":
        """Unix ms and its uncertainty in ms, or None where nobody has said it since the start."""
        if self._set is None:
            return None
        at, unix_ms, uncertainty_ms = self._set
        return unix_ms + now - at, uncertainty_ms + (now - at) * self._drift_ppm // 1000000 + 1
