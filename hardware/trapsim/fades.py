"""Which receptions a channel loses: each by itself, or in bursts. Drawn by seed and apart for each receiver.

Two protocols with the same seed meet the same channel: the n-th reception of a receiver has the same fate whoever
sends it (`Independent`, `Bursts`), or the fades lie at the same moments (`Fades`).
"""

import random
from bisect import bisect_right
from collections.abc import Callable
from typing import Protocol

from trapsim.air import Air
from trapsim.places import Places

BURST_FRAMES = 4  # mean length of a burst
FADE_MS = 5000  # mean length of a fade: about four of the largest frames at SF9, a gust or a lorry's passing
LOSS_MAX = 0.9  # beyond it no link serves


class Losses(Protocol):
    """`lost`: whether a frame that ends at `at_ms` (since the start, never going back) is lost at `receiver`."""

    def lost(self, receiver: int, at_ms: int) -> bool: ...


def _draws(seed: int, receiver: int) -> random.Random:
    return random.Random(seed * 65537 + receiver)  # noqa: S311 - a simulation, repeatable by its seed


class Independent:
    """A share `loss` of receptions, each by itself."""

    def __init__(self, loss: float, seed: int) -> None:
        self._loss = loss
        self._seed = seed
        self._random: dict[int, random.Random] = {}

    def lost(self, receiver: int, at_ms: int) -> bool:
        if receiver not in self._random:
            self._random[receiver] = _draws(self._seed, receiver)
        return self._random[receiver].random() < self._loss


class Bursts:
    """Gilbert and Elliott's channel: two states, a step with every reception; the bad one loses all, the good none.

    A burst lasts `BURST_FRAMES` on average (longer where `loss` could not be met otherwise), what lies between two as
    long as makes the share of bad states `loss`. Silence does not end a burst: only frames do.
    """

    def __init__(self, loss: float, seed: int) -> None:
        self._loss = loss
        self._seed = seed
        self._states: dict[int, tuple[random.Random, bool]] = {}

    def lost(self, receiver: int, at_ms: int) -> bool:
        if receiver not in self._states:
            draws = _draws(self._seed, receiver)
            bad = draws.random() < self._loss
        else:
            draws, bad = self._states[receiver]
            odds = self._loss / (1 - self._loss)
            length = max(BURST_FRAMES, odds)
            bad = draws.random() >= 1 / length if bad else draws.random() < odds / length
        self._states[receiver] = draws, bad
        return bad


class Fades:
    """The same on the clock: in a fade everything is lost, between two fades nothing, and whoever waits sees it pass.

    Both kinds of time last exponentially: a fade `FADE_MS` on average, what
    lies between them as long as makes the share of time in a fade `loss`. What counts is the moment of a frame's end,
    so that the mean loss is `loss` for long frames and short ones alike.
    """

    def __init__(self, loss: float, seed: int, fade_ms: int = FADE_MS) -> None:
        self._loss = loss
        self._seed = seed
        self._fade_ms = fade_ms
        self._drawn: dict[int, tuple[random.Random, bool, list[float]]] = {}

    def lost(self, receiver: int, at_ms: int) -> bool:
        if self._loss <= 0:
            return False
        if receiver not in self._drawn:
            draws = _draws(self._seed, receiver)
            self._drawn[receiver] = (draws, draws.random() < self._loss, [0.0])
        draws, faded_first, changes = self._drawn[receiver]
        clear_ms = self._fade_ms * (1 - self._loss) / self._loss
        while changes[-1] <= at_ms:
            faded = faded_first == (len(changes) % 2 == 1)
            changes.append(changes[-1] + draws.expovariate(1 / (self._fade_ms if faded else clear_ms)))
        return faded_first == (bisect_right(changes, at_ms) % 2 == 1)


class _Fading(Air):
    """Losses come from `losses`; none before `start()`, from which on its time counts."""

    _losses: Losses
    _started: int | None = None

    def start(self, now: int) -> None:
        """From now on frames are lost."""
        self._started = now

    def is_lost(self, receiver: int, now: int) -> bool:
        return self._started is not None and self._losses.lost(receiver, now - self._started)


class FadingAir(_Fading):
    """`Air` with these losses."""

    def __init__(self, sf: int, losses: Losses) -> None:
        super().__init__(sf, 0.0, lambda: 1.0)
        self._losses = losses


class TunedFadingAir(_Fading, Places):
    """`Places` with these losses: antennas may be at different spreading factors, for quick turns."""

    def __init__(self, sf: int, losses: Losses) -> None:
        super().__init__(sf, 0.0, lambda: 1.0)
        self._losses = losses


KINDS: dict[str, Callable[[float, int], Losses]] = {"none": Independent, "frames": Bursts, "time": Fades}
