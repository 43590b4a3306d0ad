"""How far one look lies from another: the shift and turn at which their profiles agree best (pure)."""

import math
from dataclasses import dataclass

import numpy as np

from trapcam.health.look import HEIGHT, THIRDS, WIDTH, Look, Profile

MOST = 0.3  # of the picture: what is shifted further has too little in common to tell
ASPECT = 0.75  # height by width of what a camera sees
TWO_THIRDS = 2 / 3  # of the width lie between the middles of the left and the right third


@dataclass(frozen=True, kw_only=True)
class Shift:
    """right, down: how far the scene lies further right and down than before, in shares of width and height;
    turned: clockwise, degrees; agreement: correlation of the profiles there (−1–1), the weaker of the two ways."""

    right: float
    down: float
    turned: float
    agreement: float


def shift_between(columns: Profile, rows: Profile, look: Look) -> Shift:
    """From a kept look's profiles to a new look."""
    across, agree_across = _best(columns, look.columns)
    each = [_best(rows[third], look.rows[third]) for third in range(THIRDS)]
    down = float(np.median([cells for cells, _ in each]))
    agree_down = float(np.median([agree for _, agree in each]))
    # The thirds at the sides fall apart by this much: a turn about the middle.
    apart = (each[-1][0] - each[0][0]) / HEIGHT * ASPECT
    return Shift(
        right=across / WIDTH,
        down=down / HEIGHT,
        turned=math.degrees(math.atan2(apart, TWO_THIRDS)),
        agreement=min(agree_across, agree_down),
    )


def _best(before: Profile, now: Profile) -> tuple[int, float]:
    """(cells, correlation) of the shift at which `now` looks most like `before`."""
    size = len(before)
    most = int(size * MOST)
    best = (0, -1.0)
    for cells in range(-most, most + 1):
        a = before[max(0, -cells) : size - max(0, cells)]
        b = now[max(0, cells) : size - max(0, -cells)]
        norm = float(np.linalg.norm(a) * np.linalg.norm(b))
        found = float(a @ b) / norm if norm > 1e-6 else 0.0
        # Of alike ones the smallest shift: a wall of stones agrees with itself in many places.
        if found - abs(cells) * 0.001 > best[1] - abs(best[0]) * 0.001:
            best = (cells, found)
    return best
