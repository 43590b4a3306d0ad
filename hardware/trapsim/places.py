"""Air between places: who hears whom, and on which channel each antenna is.

A frame is spoilt where somebody else whom that place hears overlapped it, and only there: two that do not hear each
other meet at a third. Written in the subset that MicroPython runs.
"""

from trapsim.air import Air, Transmission
from trapwire.airtime import PREAMBLE_SYMBOLS, airtime_us, symbol_us

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

SYNC_SYMBOLS = 8  # of a preamble that a receiver must still hear


class Tuning:
    """A channel, and how long an antenna's preambles are on it."""

    def __init__(self, sf: int, freq_khz: int = 0, preamble: int = PREAMBLE_SYMBOLS) -> None:
        self.sf = sf
        self.freq_khz = freq_khz
        self.preamble = preamble
        self.since = -1

    @staticmethod
    def of(lora_cfg: "dict[str, int]", sf: int) -> "Tuning":
        """From the keys of micropython-lib's `configure`; `sf` where they name none."""
        return Tuning(
            lora_cfg.get("sf", sf), lora_cfg.get("freq_khz", 0), lora_cfg.get("preamble_len", PREAMBLE_SYMBOLS)
        )

    def hears(self, other: "Tuning") -> bool:
        return (self.sf, self.freq_khz) == (other.sf, other.freq_khz)


class Places(Air):
    """`deaf`: pairs of nodes that do not hear each other, the smaller number first; the same pairs for every channel.

    An antenna that was never tuned is on the link's channel.
    """

    def __init__(self, sf: int, loss: float, random: "Callable[[], float]") -> None:
        super().__init__(sf, loss, random)
        self.deaf: set[tuple[int, int]] = set()
        self._tuned: dict[int, Tuning] = {}
        self._home = Tuning(sf)
        self._flying: list[tuple[Transmission, Tuning]] = []

    def tune(self, node: int, tuning: Tuning, now: int) -> None:
        """`node`'s antenna goes to another channel; a frame that it was hearing is lost to it."""
        tuning.since = now
        self._tuned[node] = tuning

    def hears(self, a: int, b: int) -> bool:
        """Whether two nodes are within reach of each other."""
        return a != b and (min(a, b), max(a, b)) not in self.deaf

    def transmit(self, sender: int, frame: bytes, now: int) -> int:
        tuning = self._tuned.get(sender, self._home)
        micros = airtime_us(len(frame), tuning.sf, preamble=tuning.preamble)
        for other, _ in self._flying:
            if other.sender == sender:
                other.end = min(other.end, now)  # an antenna has one voice
        self._flying.append((Transmission(sender, frame, now, now + (micros + 999) // 1000), tuning))
        self.nodes.add(sender)
        self.frames += 1
        self.airtime_us += micros
        return self._flying[-1][0].end

    def tuned_alike(self, a: int, b: int) -> bool:
        """Whether two nodes within reach are on one channel."""
        return self.hears(a, b) and self._tuned.get(a, self._home).hears(self._tuned.get(b, self._home))

    def busy(self, node: int, now: int) -> bool:
        return self.busy_ms(node, now) > 0

    def busy_ms(self, node: int, now: int) -> int:
        """For how long `node` will hear what it hears now."""
        mine = self._tuned.get(node, self._home)
        ends = [
            t.end
            for t, tuning in self._flying
            if t.start <= now < t.end and self.hears(node, t.sender) and mine.hears(tuning)
        ]
        return max(ends) - now if ends else 0

    def deadline(self) -> "int | None":
        return min([t.end for t, _ in self._flying if not t.spoilt], default=None)

    def advance(self, now: int) -> "list[tuple[int, bytes]]":
        done = sorted([f for f in self._flying if f[0].end <= now and not f[0].spoilt], key=lambda f: f[0].end)
        heard = []
        for t, tuning in done:
            for node in sorted(self.nodes):
                if not self.hears(node, t.sender) or not self._listens(node, t, tuning):
                    continue
                if self._meets(node, t, tuning):
                    self.collisions += 1
                elif self.is_lost(node, t.end):
                    self.lost += 1
                else:
                    heard.append((node, t.frame))
            t.spoilt = True  # delivered; it is kept as long as it may have overlapped one that is still in the air
        oldest = min([t.start for t, _ in self._flying if not t.spoilt], default=now)
        self._flying = [f for f in self._flying if f[0].end > oldest]
        return heard

    def _listens(self, node: int, t: Transmission, tuning: Tuning) -> bool:
        mine = self._tuned.get(node, self._home)
        head_us = (tuning.preamble - SYNC_SYMBOLS) * symbol_us(tuning.sf)
        return mine.hears(tuning) and mine.since <= t.start + head_us // 1000

    def _meets(self, node: int, t: Transmission, tuning: Tuning) -> bool:
        for other, its in self._flying:
            if other is t or other.start >= t.end or other.end <= t.start:
                continue
            if other.sender == node or (its.hears(tuning) and self.hears(node, other.sender)):
                return True
        return False
