"""LoRa time on air, and the largest frame that a region allows: integers only (Semtech AN1200.13 section 4)."""

from trapwire.errors import WireError
from trapwire.plans import plan_named

PREAMBLE_SYMBOLS = 8
SF_MIN = 7
SF_MAX = 12
PHY_MAX_BYTES = 255
SMALLEST_FRAME_BYTES = 36  # an alert: a unit whose plan leaves less could not say that it saw a cat


def symbol_us(sf: int, bandwidth_hz: int = 125000) -> int:
    """Duration of one symbol in microseconds."""
    return (1 << sf) * 1000000 // bandwidth_hz


def airtime_us(
    size: int, sf: int, bandwidth_hz: int = 125000, coding_rate: int = 1, preamble: int = PREAMBLE_SYMBOLS
) -> int:
    """Microseconds on the air of a frame of `size` bytes: explicit header, CRC on, `preamble` symbols before it.

    `coding_rate` 1–4 stands for 4/5–4/8. Low data rate optimisation is on where a symbol lasts 16 ms or longer.
    """
    if not SF_MIN <= sf <= SF_MAX:
        raise WireError("spreading factor %r is not within 7–12" % (sf,))
    symbol = symbol_us(sf, bandwidth_hz)
    low_rate = 1 if symbol >= 16000 else 0
    bits = 8 * size - 4 * sf + 28 + 16
    per_block = 4 * (sf - 2 * low_rate)
    blocks = (bits + per_block - 1) // per_block if bits > 0 else 0
    symbols_times_4 = 4 * preamble + 17 + 4 * (8 + blocks * (coding_rate + 4))
    return symbols_times_4 * symbol // 4


def snr_floor_quarter_db(sf: int) -> int:
    """Signal-to-noise ratio below which nothing is received, in quarter dB (Semtech SX1276 datasheet, table 13)."""
    if not SF_MIN <= sf <= SF_MAX:
        raise WireError("spreading factor %r is not within 7–12" % (sf,))
    return 10 * (4 - sf)


def largest_frame(plan: str, sf: int) -> int:
    """Bytes of the largest frame that `plan` lets out at `sf`.

    Raises: WireError when no such plan is known (a unit without a plan never transmits), or when its dwell time
    leaves no room at this spreading factor.
    """
    rules = plan_named(plan)
    if sf > rules.sf_max:
        raise WireError("plan %s allows nothing useful at SF%d" % (plan, sf))
    dwell_us = rules.dwell_ms * 1000
    size = PHY_MAX_BYTES
    while dwell_us and airtime_us(size, sf) > dwell_us:
        size -= 1
    return size


def usable_frame(plan: str, sf: int) -> int:
    """`largest_frame`, where an alert fits into it.  Raises: WireError."""
    size = largest_frame(plan, sf)
    if size < SMALLEST_FRAME_BYTES:
        raise WireError("plan %s at SF%d leaves %d bytes, an alert needs %d" % (plan, sf, size, SMALLEST_FRAME_BYTES))
    return size
