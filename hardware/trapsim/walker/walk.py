"""When somebody walks past a trap of the demo, and when the magnet is held to it (pure).

a walk test begins      the magnet is held, until the unit says service: then its PIR's edges are the walker's
in service              a few passes, to and fro
the test is over        the magnet is held again, until the unit says something else; then animals come as before
"""

from typing import NamedTuple

ACROSS_M = 6.5  # of the trail in the picture: what `service.view_deg`, 66°, is at 5 m
PACE_M_S = 1.3

AGAIN_MS = 5_000  # a magnet that had no effect is held again
FIRST_MS = 4_000  # from the beginning of the test: a phone is put away
EVERY_MS = 11_000
PASSES = 5  # within a test of two minutes
BESIDE = 0.1  # of the picture: a pass begins and ends so far out of it
PASS_MS = round(ACROSS_M * (1 + 2 * BESIDE) / PACE_M_S * 1000)
EDGES_AT = (0.25, 0.6)  # of a pass: where the PIR's lens has the walker cross its beams


class Walking(NamedTuple):
    """Where somebody is who walks past: how far across the picture (0 its left edge, 1 its right), and which way."""

    across: float
    to_right: bool


class Walk:
    """One trap's visitor, told at each turn of its loop how things are. here, holds, edges: see `trapsim.walker.hand`;
    holds and edges since this began."""

    def __init__(self) -> None:
        self.here = False
        self.holds = self.edges = 0
        self._held_ms: int | None = None
        self._begun_ms: int | None = None
        self._counted = 0  # of the edges of this test

    def see(self, now_ms: int, *, walking: bool, in_service: bool) -> None:
        """walking: a walk test runs; in_service: the unit says that it is in service; now_ms: of a steady clock."""
        if walking == in_service:
            self._held_ms = None
        elif self._held_ms is None or now_ms - self._held_ms >= AGAIN_MS:
            self._held_ms = now_ms
            self.holds += 1
        self.here = walking or in_service
        if not (walking and in_service):
            self._begun_ms = None
            return
        if self._begun_ms is None:
            self._begun_ms, self._counted = now_ms, 0
        since_ms = now_ms - self._begun_ms - FIRST_MS
        due = sum(since_ms >= k * EVERY_MS + round(at * PASS_MS) for k in range(PASSES) for at in EDGES_AT)
        self.edges += due - self._counted
        self._counted = due

    def at(self, now_ms: int) -> Walking | None:
        """Where the walker is now; None: not in the picture."""
        if self._begun_ms is None:
            return None
        number, into_ms = divmod(now_ms - self._begun_ms - FIRST_MS, EVERY_MS)
        if not 0 <= number < PASSES or into_ms >= PASS_MS:
            return None
        way = into_ms / PASS_MS * (1 + 2 * BESIDE) - BESIDE
        to_right = number % 2 == 0
        return Walking(way if to_right else 1 - way, to_right)
