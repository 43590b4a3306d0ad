"""The air between antennas: true airtime, loss, half duplex, collisions. Time is an argument (ms, channel clock).

Written in the subset that MicroPython runs, so that the wire's tests use it on both interpreters.
"""

from trapwire.airtime import airtime_us

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable


class Transmission:
    """One frame in the air, from `start` to `end` ms."""

    def __init__(self, sender: int, frame: bytes, start: int, end: int) -> None:
        self.sender = sender
        self.frame = frame
        self.start = start
        self.end = end
        self.spoilt = False  # another transmission overlapped it


class Air:
    """One channel at one spreading factor, on which every node hears every other.

    loss: share of receptions lost, each receiver by itself; random: a function giving 0 <= x < 1. Two transmissions
    that overlap spoil each other (no capture effect: the pessimistic reading), and a node that sends hears nothing
    of what overlaps its own sending. Counts: `frames`, `airtime_ms`, `collisions`, `lost`.
    """

    def __init__(self, sf: int, loss: float, random: "Callable[[], float]") -> None:
        self.sf = sf
        self.loss = loss
        self._random = random
        self._now: list[Transmission] = []
        self.nodes: set[int] = set()
        self.frames = 0
        self.airtime_us = 0
        self.collisions = 0
        self.lost = 0

    @property
    def airtime_ms(self) -> int:
        return self.airtime_us // 1000

    def transmit(self, sender: int, frame: bytes, now: int) -> int:
        """Start a transmission; when it ends, in ms."""
        micros = airtime_us(len(frame), self.sf)
        new = Transmission(sender, frame, now, now + (micros + 999) // 1000)
        for other in self._now:
            if other.sender == sender:
                # An antenna has one voice: its earlier frame is over, however late word of it came.
                other.end = min(other.end, now)
            elif other.end > now:
                other.spoilt = new.spoilt = True
        self._now.append(new)
        self.nodes.add(sender)
        self.frames += 1
        self.airtime_us += micros
        return new.end

    def hears(self, a: int, b: int) -> bool:
        """Whether two nodes are within reach of each other."""
        return a != b

    def busy(self, node: int, now: int) -> bool:
        """Whether `node` would hear somebody on the channel now."""
        return any(t.sender != node and t.start <= now < t.end for t in self._now)

    def deadline(self) -> "int | None":
        """When the next transmission ends, or None while the air is quiet."""
        return min(t.end for t in self._now) if self._now else None

    def advance(self, now: int) -> "list[tuple[int, bytes]]":
        """The receptions complete by `now`, as (receiver, frame), in order of their ends."""
        done = sorted((t for t in self._now if t.end <= now), key=lambda t: t.end)
        self._now = [t for t in self._now if t.end > now]
        heard = []
        for t in done:
            if t.spoilt:
                self.collisions += 1
                continue
            for node in sorted(self.nodes):
                if node == t.sender:
                    continue
                if self.is_lost(node, t.end):
                    self.lost += 1
                else:
                    heard.append((node, t.frame))
        return heard

    def is_lost(self, receiver: int, now: int) -> bool:
        """Whether `receiver` misses a frame that ends now; channels with a memory of their own override this."""
        return self._random() < self.loss
