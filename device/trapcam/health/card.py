"""Is the card wearing out? By how long commits take, what could not be read, and what the kernel says (pure)."""

from collections import deque
from dataclasses import dataclass

KEPT_COMMITS = 200  # the newest, of which the slow ones are looked at
FEW_COMMITS = 20  # fewer say nothing
PART = 0.95  # of commits must be quicker than the limit


@dataclass(frozen=True, kw_only=True)
class CardLimits:
    """When a card counts as worn: 95 % of commits slower than `commit_ms`; so many read errors since the start; a life
    used up by so much (tenths, as eMMC reports it: 10 is all of it)."""

    commit_ms: int = 3_000
    read_errors: int = 3
    life_tenths: int = 9


class Card:
    """What the card showed since the start; `life_tenths`: as the kernel has it, None where it says nothing."""

    def __init__(self, limits: CardLimits | None = None, life_tenths: int | None = None) -> None:
        self._limits = limits or CardLimits()
        self._commits_ms: deque[int] = deque(maxlen=KEPT_COMMITS)
        self._life_tenths = life_tenths
        self.read_errors = 0

    def committed(self, took_ms: int) -> None:
        """One commit, and how long it took."""
        self._commits_ms.append(max(0, took_ms))

    @property
    def slow_ms(self) -> int | None:
        """Of the newest commits the time that 95 % were within; None while there are few."""
        if len(self._commits_ms) < FEW_COMMITS:
            return None
        return sorted(self._commits_ms)[int(len(self._commits_ms) * PART) - 1]

    def words(self) -> list[str]:
        """Why the card counts as worn; nothing while it does not."""
        said = []
        if self.slow_ms is not None and self.slow_ms > self._limits.commit_ms:
            said.append(f"card: a write takes up to {self.slow_ms} ms, {self._limits.commit_ms} are allowed")
        if self.read_errors >= self._limits.read_errors:
            said.append(f"card: {self.read_errors} read errors since the start")
        if self._life_tenths is not None and self._life_tenths >= self._limits.life_tenths:
            said.append(f"card: {min(self._life_tenths, 10) * 10} % of its life is used, by its own count")
        return said


def read_life(text: str) -> int | None:
    """The worse of the two figures in sysfs' `life_time` of an eMMC (`0x02 0x01`, tenths used), None for none: an SD
    card has none, and 0x00 says that it is not defined (JEDEC JESD84-B51, 7.4.100)."""
    found = []
    for word in text.split()[:2]:
        try:
            value = int(word, 16)
        except ValueError:
            return None
        if 0 < value <= 11:
            found.append(min(value, 10))
    return max(found, default=None)
