"""How long a picture takes to the base from here: an estimate for a person who chooses a place (pure).

Every fragment goes once, and the lost ones again; beside them stand answers and waits, which grow with the loss. That
is within 25 % of the simulated link (`tests/cam/test_airguess.py`). Not counted: a duty rule, which lets 1 % of an hour
pass and the rest wait; other traps of the base; quick turns at a faster spreading factor, which make it shorter.
"""

import math

from trapwire.airtime import airtime_us
from trapwire.errors import WireError
from trapwire.fragments import Cut
from trapwire.objects import HEAD_BYTES

PICTURE_BYTES = 8192
# A guess: what a place takes and gives from one frame to the next, as people, leaves and weather move (normal
# distribution). At 20 dB of margin nothing is lost, at 10 dB 5 of 100 frames, at 5 dB 20.
FADING_DB = 6.0
LOSS_MOST = 0.35  # at 2.3 dB; above it waits outweigh the air, and no time can be named
ANSWERS = 0.35  # for each share lost: answers that were lost, and waiting for them


def loss_guess(margin_db: float) -> float:
    """The share of frames that is lost at this margin above the floor, 0 to 1."""
    return 0.5 * math.erfc(margin_db / (FADING_DB * math.sqrt(2)))


def picture_seconds(
    sf: int | None, frame_bytes: int | None, margin_db: int | None, size: int = PICTURE_BYTES
) -> int | None:
    """Seconds for an object of `size` bytes; None where something is not known, or the link is too weak to say."""
    if sf is None or frame_bytes is None or margin_db is None:
        return None
    loss = loss_guess(margin_db)
    if loss > LOSS_MOST:
        return None
    try:
        frames = Cut(bytes(HEAD_BYTES + size), frame_bytes).total
        air_us = frames * airtime_us(frame_bytes, sf)
    except WireError:
        return None
    return round(air_us * (1 + ANSWERS * loss) / (1 - loss) / 1_000_000)
