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
    turned: clockwise, degrees; agreement: correlation of the profiles there (−1–1), the weaker of the two ways;
    doubt: by how many degrees the turns differ that columns and rows tell of: much of it, and it is no turn."""

    right: float
    down: float
    turned: float
    agreement: float
    doubt: float


def shift_between(columns: Profile, rows: Profile, look: Look) -> Shift:
    """From a kept look's profiles to a new look."""
    across = [_best(columns[third], look.columns[third]) for third in range(THIRDS)]
    along = [_best(rows[third], look.rows[third]) for third in range(THIRDS)]
    agreement = min(float(np.median([agree for _, agree in ways])) for ways in (across, along))
    # The outer thirds fall apart by a turn about the middle, in heights of the picture.
    by_columns = math.degrees(math.atan2((across[0][0] - across[-1][0]) / WIDTH / ASPECT, TWO_THIRDS))
    by_rows = math.degrees(math.atan2((along[-1][0] - along[0][0]) / HEIGHT * ASPECT, TWO_THIRDS))
    return Shift(
        right=float(np.median([cells for cells, _ in across])) / WIDTH,
        down=float(np.median([cells for cells, _ in along])) / HEIGHT,
        turned=(by_columns + by_rows) / 2,
        agreement=agreement,
        doubt=abs(by_columns - by_rows),
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
