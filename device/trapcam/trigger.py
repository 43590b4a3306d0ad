"""Triggers: why the camera should look, and when (pure)."""

import struct
from dataclasses import dataclass

from trapwire.errors import WireError

# Causes of a wake, as the supervisor sends them; others are taken as they come.
CAUSE_PIR = 0
CAUSE_PARTNER = 1
CAUSE_DAY = 2  # once a day, nothing moved: the picture of the empty scene
CAUSE_LID = 3  # the lid was opened
CAUSE_INTERVAL = 255


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """One reason to look: its `number` (the supervisor's count), `cause`, and when it came (Unix ms, UTC).

    That may be well before the Pi was up. in_service: while a ranger is at the trap; then it is a walk test's, and no
    picture is taken for it.
    """

    number: int
    cause: int
    at_ms: int
    in_service: bool = False


def decode_wake(payload: bytes, now_ms: int) -> Trigger:
    """The trigger in a WAKE message (PROTOCOL.md section 8).  Raises: WireError."""
    if len(payload) not in (5, 9):
        raise WireError(f"wake of {len(payload)} bytes, 9 are needed")
    number, cause = struct.unpack(">IB", payload[:5])
    age_ms = struct.unpack(">I", payload[5:])[0] if len(payload) == 9 else 0
    return Trigger(number=number, cause=cause, at_ms=now_ms - age_ms)


class IntervalTrigger:
    """A trigger every `interval_ms`, for a trap without a supervisor and for time-lapse; the first is at once.

    Missed ones are not made up for, and a clock set back does not silence it.
    """

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._last_ms: int | None = None
        self._number = 0

    def poll(self, now_ms: int) -> Trigger | None:
        """The trigger that is due at `now_ms`, if one is."""
        if self._last_ms is not None and 0 <= now_ms - self._last_ms < self._interval_ms:
            return None
        self._last_ms = now_ms
        self._number += 1
        return Trigger(number=self._number, cause=CAUSE_INTERVAL, at_ms=now_ms)
