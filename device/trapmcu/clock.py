"""The trap's time: what the base said last, carried on by the board's clock chip, and how far it may be off."""

import struct

from trapmcu.flash import read_file, write_file

HEAR_MS = 20  # from a frame's last byte until the firmware takes it: one round of the main loop
WRITE_EVERY_MS = 86400000  # of flash: a time of yesterday is as good, but for the chip's drift
_KEPT = ">QQQB"
_KEPT_BYTES = 25


class Clock:
    """drift_ppm: how far the board's clock may run off. Without a word from the base there is no time.

    `path`: where it is remembered in flash, which holds as long as the clock chip keeps its power (`chip_kept`).
    """

    def __init__(self, drift_ppm: int, path: "str | None" = None, chip_kept: bool = False) -> None:
        self._drift_ppm = drift_ppm
        self._path = path
        self._set: "tuple[int, int, int] | None" = None  # board's ms, Unix ms, uncertainty ms at that moment
        self._written: "int | None" = None
        self.off_s = 0  # by so much the base has contradicted it, until somebody has taken note
        kept = read_file(path) if path is not None else None
        if kept and not chip_kept:
            self._store(b"")  # or a later start, with the chip counting again, would believe it
        elif kept is not None and len(kept) == _KEPT_BYTES and kept[-1] == sum(kept[:-1]) & 0xFF:
            self._set = struct.unpack(_KEPT, kept)[:3]
            self._written = self._set[0]

    def hear(self, now: int, unix_ms: int, uncertainty_ms: int) -> bool:
        """Take a time if it is surer than one's own, or if both cannot be true: then the base has corrected itself."""
        uncertainty_ms += HEAR_MS
        own = self.read(now)
        corrected = own is not None and abs(unix_ms - own[0]) > uncertainty_ms + own[1]
        if own is not None and uncertainty_ms > own[1] and not corrected:
            return False
        if own is not None and corrected:
            self.off_s = abs(unix_ms - own[0]) // 1000 or 1
        self._set = (now, unix_ms, uncertainty_ms)
        if corrected or self._written is None or not 0 <= now - self._written < WRITE_EVERY_MS:
            self._write(now)
        return True

    def read(self, now: int) -> "tuple[int, int] | None":
        """Unix ms and its uncertainty in ms, or None where nobody has said it since the clock was lost."""
        if self._set is None or now < self._set[0]:
            return None
        at, unix_ms, uncertainty_ms = self._set
        return unix_ms + now - at, uncertainty_ms + (now - at) * self._drift_ppm // 1000000 + 1

    def keep(self) -> bytes:
        """For a deep sleep; `resume` goes on from there."""
        data = b"" if self._set is None else struct.pack(">QQQ", *self._set)
        return data + struct.pack(">q", -1 if self._written is None else self._written)

    def resume(self, kept: bytes) -> None:
        written = struct.unpack(">q", kept[-8:])[0]
        self._written = None if written < 0 else written
        self._set = struct.unpack(">QQQ", kept[:-8]) if len(kept) > 8 else None

    def _write(self, now: int) -> None:
        if self._path is None or self._set is None:
            return
        data = struct.pack(">QQQ", *self._set)
        if self._store(data + bytes([sum(data) & 0xFF])):
            self._written = now

    def _store(self, data: bytes) -> bool:
        try:
            write_file(str(self._path), data)
        except OSError:
            return False  # flash is full: a battery swap costs the time until the base says it again
        return True
