"""Audit samples: which rejected bursts are kept, sealed, so that what the detector misses can be counted (pure).

Every rejected burst is counted in a cell of bursts that are sampled alike. In a cell each burst has a draw in 0–1, and
those below the cell's probability are its samples: a fair choice, whatever the pictures show. Where room is short the
probability is halved and the samples above it go, so what stays is a fair choice still; the oldest would not be, for
cats come by season. A burst that may show people is counted and never kept.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from trapcam.sighting import Rejected

NEAR = "near"  # of the threshold of what is wanted, at least half was reached: every one is a sample
FAR = "far"
PEOPLE = "people"  # half of a person's or vehicle's threshold was reached, or less as set: never a sample
STRATA = (NEAR, FAR, PEOPLE)
HALF = 0.5

_LATEST_MS = 253_402_214_400_000  # the last day that a calendar here has
_SEASONS = ("winter", "winter", "spring", "spring", "spring", "summer", "summer", "summer", "autumn", "autumn",
            "autumn", "winter")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Bursts of one trap that are sampled alike: of one season and stratum; `share`: how many were to be kept (0–1).

    Where the trap stands is not said: the card shows no place to who finds it.
    """

    season: str
    stratum: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A burst as it is kept: its draw (0–1, below the cell's share), the sealed pictures and their SHA-256."""

    draw: float
    body: bytes
    sha256: bytes


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What a rejected burst adds to the measurement: it is counted in its cell, and sometimes kept."""

    cell: Cell
    sample: Sample | None = None


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """Chooses. `key` (32 bytes) never leaves the card, so nobody can walk past in a burst that is not looked at.

    The same burst of the same outbox has the same draw at every start. share: of the far stratum, 0–1; people: from
    which share of a person's or vehicle's threshold a burst is left alone.
    """

    key: bytes
    epoch: int
    share: float = 0.05
    people: float = HALF
    enabled: bool = True

    def cell(self, rejected: Rejected, taken_ms: int) -> Cell:
        """Where a burst is counted, taken at `taken_ms` (Unix ms, UTC)."""
        stratum = stratum_of(rejected, self.people)
        share = {NEAR: 1.0, FAR: self.share, PEOPLE: 0.0}[stratum] if self.enabled else 0.0
        return Cell(season=season(taken_ms), stratum=stratum, share=share)

    def draw(self, source: str, position: int) -> float:
        """0 ≤ draw < 1, evenly spread, from the burst's place alone."""
        place = f"{self.epoch}/{source}/{position}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(place, key=self.key, digest_size=8).digest()
        return (int.from_bytes(digest) >> 11) / (1 << 53)


def stratum_of(rejected: Rejected, people: float = HALF) -> str:
    """People first here too: just below its threshold a person may still be one."""
    if rejected.private or rejected.people >= people:
        return PEOPLE
    return NEAR if rejected.nearness >= HALF else FAR


def season(unix_ms: int) -> str:
    """The northern season, `2027 winter` from December 2026 to February 2027."""
    at = datetime.fromtimestamp(min(max(unix_ms, 0), _LATEST_MS) / 1000, UTC)  # a clock that is off loses no burst
    return f"{at.year + (at.month == 12)} {_SEASONS[at.month - 1]}"


def halved_below(probability: float, draw: float) -> float:
    """The probability halved until `draw` is no sample any more.

    Always by halves: cells of many traps then share a few probabilities, and are counted together.
    """
    while probability > draw:
        probability /= 2
    return probability
