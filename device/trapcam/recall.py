"""Feline recall with an honest bound, from audit samples that somebody has looked at (pure).

In each group of bursts that were sampled with one probability the misses are bounded from above by Clopper and Pearson
(exact, one-sided); the allowed error is split evenly over the groups (Bonferroni), so that the sum of the bounds holds
at the stated level, whatever hangs together with what. Where every burst is a sample, nothing is left to chance.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

LEVEL = 0.95
_STEPS = 200  # halvings of 0–1: further than a float can tell


@dataclass(frozen=True, kw_only=True)
class Group:
    """Bursts of one stratum sampled with one probability, and what was found in the samples.

    bursts: how many there were; felines, none: samples with that label; doubtful: samples that are unclear, not looked
    at, unreadable or missing: each counts as a miss in the bound.
    """

    stratum: str
    probability: float
    bursts: int
    felines: int = 0
    none: int = 0
    doubtful: int = 0

    @property
    def samples(self) -> int:
        return self.felines + self.none + self.doubtful

    @property
    def whole(self) -> bool:
        """Whether every burst is a sample: nothing is left to chance."""
        return self.samples >= self.bursts


@dataclass(frozen=True, kw_only=True)
class Bounded:
    """A group with the likely number of misses in it (None without a clear sample) and the most there may be."""

    group: Group
    likely: float | None
    at_most: int


@dataclass(frozen=True, kw_only=True)
class Recall:
    """Of `kept` felines and the misses: the likely recall and the lower bound; None where there is nothing to divide.

    not_measured: bursts by stratum of which none could be a sample: the bound does not speak for them.
    """

    level: float
    kept: int | None
    groups: tuple[Bounded, ...]
    not_measured: dict[str, int]

    @property
    def at_most_missed(self) -> int:
        return sum(group.at_most for group in self.groups)

    @property
    def likely_missed(self) -> float | None:
        found = [group.likely for group in self.groups]
        return None if None in found else sum(likely for likely in found if likely is not None)

    @property
    def at_least(self) -> float | None:
        return _share(self.kept, self.at_most_missed)

    @property
    def likely(self) -> float | None:
        missed = self.likely_missed
        return None if missed is None else _share(self.kept, missed)


def _share(kept: int | None, missed: float) -> float | None:
    return None if kept is None or kept + missed == 0 else kept / (kept + missed)


def measure(groups: Iterable[Group], kept: int | None, level: float = LEVEL) -> Recall:
    """The recall over `groups` (one each of a stratum and probability), with `kept` felines, None where unknown.

    Raises: ValueError for a level that is none, or more samples than bursts.
    """
    if not 0 < level < 1:
        raise ValueError(f"level {level} is not between 0 and 1")
    groups = list(groups)
    measured = [group for group in groups if group.probability > 0 and group.bursts]
    for group in measured:
        if group.samples > group.bursts:
            raise ValueError(f"{group.samples} samples of {group.bursts} bursts in stratum {group.stratum}")
    estimated = sum(not group.whole for group in measured)
    error = (1 - level) / max(1, estimated)
    not_measured: dict[str, int] = {}
    for group in groups:
        if group.probability <= 0 and group.bursts:
            not_measured[group.stratum] = not_measured.get(group.stratum, 0) + group.bursts
    return Recall(
        level=level,
        kept=kept,
        groups=tuple(Bounded(group=g, likely=_likely(g), at_most=most_missed(g, error)) for g in measured),
        not_measured=not_measured,
    )


def _likely(group: Group) -> float | None:
    clear = group.felines + group.none
    return group.felines / clear * group.bursts if clear else None


def most_missed(group: Group, error: float) -> int:
    """The most felines that may be among a group's bursts, wrong with a chance of at most `error`."""
    missed = group.felines + group.doubtful
    if group.whole:
        return missed
    # A hair more before rounding down: the bound itself is rounded up, never down.
    upper = math.floor(upper_bound(missed, group.samples, error) * group.bursts + 1e-9)
    return max(missed, min(upper, group.bursts - group.none))


def upper_bound(found: int, tries: int, error: float) -> float:
    """The one-sided upper bound of Clopper and Pearson on a rate, of which `found` in `tries` were seen (0–1)."""
    if found >= tries:
        return 1.0
    low, high = found / tries, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if at_most(found, tries, middle) > error else (low, middle)
    return high


def lower_bound(found: int, tries: int, error: float) -> float:
    """The one-sided lower bound: the upper one of those not found, turned round."""
    return 1.0 - upper_bound(tries - found, tries, error) if tries else 0.0


def at_most(found: int, tries: int, rate: float) -> float:
    """The chance of at most `found` in `tries` at `rate`: the tail of the binomial distribution."""
    if found >= tries or rate <= 0:
        return 1.0
    if rate >= 1:
        return 0.0
    odds, all_ways = (math.log(rate), math.log1p(-rate)), math.lgamma(tries + 1)
    logs = [
        all_ways - math.lgamma(k + 1) - math.lgamma(tries - k + 1) + k * odds[0] + (tries - k) * odds[1]
        for k in range(found + 1)
    ]
    return min(1.0, math.fsum(map(math.exp, logs)))
