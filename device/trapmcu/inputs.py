"""Inputs of a trap that say something by staying as they are, or by not letting go: lid, motion sensor, button (pure).

A lid that opens counts once; a switch that rattles counts `LIDS_A_DAY` times a day. A sensor that is high without a
pause, or a magnet that was left on the lid, is left alone: for as long again as it has been so, which doubles each time
it is looked at. In every round the firmware looks, and one that has let go counts at once.
"""

import struct

from trapmcu.retained import BUTTON, PIR

LIDS_A_DAY = 6
DAY_MS = 86400000
STUCK_MS = {PIR: 600000, BUTTON: 60000}
_PACKED = ">bBQQQQQ"


class Inputs:
    """Times are ms of the board's clock. `stuck`: the inputs that do not count now; as wake sources, bits."""

    def __init__(self) -> None:
        self._lid = -1  # not known: what it is at first is as somebody has left it
        self._lids = 0
        self._lids_until = 0
        self._since = {PIR: 0, BUTTON: 0}  # high without a pause; 0: low
        self._next = {PIR: 0, BUTTON: 0}  # when that is said again
        self.stuck = 0

    def opened(self, is_open: "bool | None", now: int) -> int:
        """The how-manieth time today the lid has just been opened; 0: it has not, or that often that nobody cares."""
        if is_open is None:
            return 0
        was, self._lid = self._lid, int(is_open)
        if was or not is_open:
            return 0
        if now >= self._lids_until:
            self._lids, self._lids_until = 0, now + DAY_MS
        self._lids = min(self._lids + 1, LIDS_A_DAY + 1)
        return self._lids % (LIDS_A_DAY + 1)

    def look(self, high: int, now: int) -> "list[tuple[int, int]]":
        """`high`: the inputs that are high; news of those that are stuck: which, and minutes."""
        news = []
        self.stuck = 0
        for bit in STUCK_MS:
            if not high & bit:
                self._since[bit] = 0
                continue
            if not self._since[bit]:
                self._since[bit], self._next[bit] = now, now + STUCK_MS[bit]
            lasted = now - self._since[bit]
            if lasted >= STUCK_MS[bit]:
                self.stuck |= bit
            if now >= self._next[bit]:
                self._next[bit] = now + min(lasted, DAY_MS)
                news.append((bit, lasted // 60000))
        return news

    def pause_ms(self, now: int) -> int:
        """Until one that is stuck is looked at again, at the latest."""
        return min([self._next[bit] for bit in STUCK_MS if self.stuck & bit] or [now + DAY_MS]) - now

    def pack(self) -> bytes:
        return struct.pack(
            _PACKED, self._lid, self._lids, self._lids_until,
            self._since[PIR], self._next[PIR], self._since[BUTTON], self._next[BUTTON],
        )  # fmt: skip

    def unpack(self, data: bytes) -> None:
        numbers = struct.unpack(_PACKED, data)
        self._lid, self._lids, self._lids_until = numbers[:3]
        self._since[PIR], self._next[PIR], self._since[BUTTON], self._next[BUTTON] = numbers[3:]
