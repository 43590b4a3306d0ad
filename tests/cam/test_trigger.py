"""Triggers: the supervisor's message, and the interval's regularity under a clock that jumps."""

import struct

import pytest
from cam_parts import NOW

from trapcam.trigger import CAUSE_INTERVAL, IntervalTrigger, decode_wake
from trapwire.errors import WireError


def test_a_wake() -> None:
    trigger = decode_wake(struct.pack(">IB", 70_000, 3), NOW)
    assert (trigger.number, trigger.cause, trigger.at_ms) == (70_000, 3, NOW)
    with pytest.raises(WireError, match="4 bytes"):
        decode_wake(bytes(4), NOW)


def test_the_interval() -> None:
    interval = IntervalTrigger(1000)
    times = [t for t in range(0, 5000, 250) if interval.poll(NOW + t)]
    assert times == [0, 1000, 2000, 3000, 4000]
    late = interval.poll(NOW + 60_000)
    assert late is not None
    assert (late.number, late.cause) == (6, CAUSE_INTERVAL)
    assert interval.poll(NOW + 60_500) is None


def test_a_clock_set_back_does_not_silence_the_interval() -> None:
    interval = IntervalTrigger(1000)
    assert interval.poll(NOW)
    assert interval.poll(NOW - 10**9)
