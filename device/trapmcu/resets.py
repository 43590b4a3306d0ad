"""How often the unit has started that was no wake from sleep: in all, and in a row without a steady hour between."""

import struct

from trapmcu.flash import read_file, write_file

STEADY_MS = 3600000
SAFE_MS = 6 * 3600000  # in which a unit that keeps falling over leaves its Pi alone
_FORMAT = ">HBB"


class Resets:
    """`path`: where they are counted in flash; started: whether this is such a start. `total`, `in_row`."""

    def __init__(self, path: str, started: bool) -> None:
        self._path = path
        self.total = self.in_row = 0
        kept = read_file(path)
        if kept is not None and len(kept) == 4 and sum(kept[:3]) & 0xFF == kept[3]:
            self.total, self.in_row, _ = struct.unpack(_FORMAT, kept)
        if started:
            self.total = min(self.total + 1, 0xFFFF)
            self.in_row = min(self.in_row + 1, 0xFF)
            self._write()

    def forgive(self) -> None:
        """A steady hour has passed, or somebody is here."""
        if self.in_row:
            self.in_row = 0
            self._write()

    def _write(self) -> None:
        data = struct.pack(">HB", self.total, self.in_row)
        try:
            write_file(self._path, data + bytes([sum(data) & 0xFF]))
        except OSError:
            pass  # flash is full: counted until the next reset only
