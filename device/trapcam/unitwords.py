"""What the supervisor says of its unit in a MODE message (PROTOCOL.md section 8), as a value (pure)."""

import struct
from dataclasses import dataclass

from trapwire.airtime import SF_MAX, SF_MIN
from trapwire.errors import WireError
from trapwire.unitstates import UNKNOWN_C, UNKNOWN_DAYS, UNKNOWN_DB, UNKNOWN_PERCENT, UNKNOWN_S

_LONG = ">BBbbBBHHbH"
_LONG_BYTES = struct.calcsize(_LONG)


@dataclass(frozen=True, kw_only=True)
class UnitWords:
    """The unit at `at_ms` (Unix ms, UTC). None: not known, or an older firmware does not say it.

    state: of `trapwire.unitstates`; battery: percent; margin_db: above the floor at which the base hears this trap, as
    the base said last; partner_db: the same of the partner's last call here; sf, frame_bytes: the link's spreading
    factor and largest frame; heard_s: seconds since the base was heard (None from 65,535 on); days_left: of the
    battery; walked: edges of the motion sensor since service began.
    """

    at_ms: int
    state: int
    battery: int | None = None
    margin_db: int | None = None
    partner_db: int | None = None
    sf: int | None = None
    frame_bytes: int | None = None
    heard_s: int | None = None
    days_left: int | None = None
    temperature_c: int | None = None
    walked: int | None = None


def decode_mode(payload: bytes, at_ms: int) -> UnitWords:
    """A MODE message: state alone, with the battery, or all; what a later firmware adds at its end is not read.

    Raises: WireError when it is empty.
    """
    if not payload:
        raise WireError("MODE without a state")
    battery = _known(payload[1], UNKNOWN_PERCENT) if len(payload) > 1 else None
    battery = battery if battery is None or battery <= 100 else None
    if len(payload) < _LONG_BYTES:
        return UnitWords(at_ms=at_ms, state=payload[0], battery=battery)
    numbers = struct.unpack(_LONG, payload[:_LONG_BYTES])
    margin, partner, sf, frame_bytes, heard_s, days, celsius, walked = numbers[2:]
    return UnitWords(
        at_ms=at_ms,
        state=payload[0],
        battery=battery,
        margin_db=_known(margin, UNKNOWN_DB),
        partner_db=_known(partner, UNKNOWN_DB),
        sf=sf if SF_MIN <= sf <= SF_MAX else None,
        frame_bytes=frame_bytes or None,
        heard_s=_known(heard_s, UNKNOWN_S),
        days_left=_known(days, UNKNOWN_DAYS),
        temperature_c=_known(celsius, UNKNOWN_C),
        walked=walked,
    )


def _known(value: int, unknown: int) -> int | None:
    return None if value == unknown else value
