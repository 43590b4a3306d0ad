"""One channel between radio traps and a base's modem: one frame at a time, some of them lost."""

import random
import struct
from collections import deque

from trapsim.basesoak.books import Books
from trapsim.basesoak.seams import ModemEnd
from trapsim.basesoak.traps import RadioTrap
from trapwire.serialline import HEARD, SENT, TRANSMIT

AIRTIME_MS = 60  # of any frame: enough for turns to take their time
TURNAROUND_MS = 10
STALE_MS = 500  # as the modem: an answer that had to wait comes when its trap no longer listens


class Antenna:
    """`loss`: share of frames that nobody hears."""

    def __init__(self, line: ModemEnd, books: Books, loss: float, draws: random.Random) -> None:
        self.traps: list[RadioTrap] = []
        self._line = line
        self._books = books
        self._loss = loss
        self._draws = draws
        self._out: deque[tuple[int, bytes]] = deque()
        self._flying: tuple[int, RadioTrap | None, bytes] | None = None
        self._free_at = 0

    def step(self, now: int) -> None:
        """All that is due now."""
        if self._flying is not None and self._flying[0] <= now:
            self._arrive(*self._flying)
        for kind, payload in self._line.down:
            if kind == TRANSMIT:
                self._books.sent(payload)
                self._out.append((now, payload))
        self._line.down.clear()
        while self._out and now - self._out[0][0] > STALE_MS:
            self._out.popleft()
        if self._flying is None and now >= self._free_at and self._out:
            self._flying = (now + AIRTIME_MS, None, self._out.popleft()[1])
        for trap in self.traps:
            at = trap.link.deadline(now)
            if at is None or at > now:
                continue
            frame = trap.link.next_frame(now, self._flying is not None or now < self._free_at)
            if frame is not None:
                self._flying = (now + AIRTIME_MS, trap, frame)

    def _arrive(self, now: int, sender: RadioTrap | None, frame: bytes) -> None:
        self._flying, self._free_at = None, now + TURNAROUND_MS
        lost = self._draws.random() < self._loss
        if sender is not None:
            sender.link.sent(now)
            if not lost and self._line.is_open:
                self._line.up.append((HEARD, struct.pack(">hb", -97, 22) + frame))
            return
        if self._line.is_open:
            self._line.up.append((SENT, b""))
        for trap in self.traps:
            if not lost:
                trap.hear(frame, now)

    def due(self, now: int) -> int | None:
        """When it wants a step next."""
        times = [] if self._flying is None else [self._flying[0]]
        if self._out:
            times.append(max(now + 1, self._free_at))
        if self._flying is None:
            times += [max(at, self._free_at) for trap in self.traps if (at := trap.link.deadline(now)) is not None]
        return min(times, default=None)
