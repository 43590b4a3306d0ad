"""The simulated channel: what is heard, what is spoilt, what it counts."""

from trapsim.air import Air
from trapwire.airtime import airtime_us


def air(loss: float = 0.0, draw: float = 0.5) -> Air:
    made = Air(9, loss, lambda: draw)
    made.nodes = {0, 1, 2}
    return made


def test_a_frame_is_heard_by_all_others_when_its_airtime_is_over() -> None:
    channel = air()
    end = channel.transmit(1, bytes(51), 1000)
    assert end == 1000 + 329  # 51 bytes at SF9, by Semtech's calculator
    assert channel.advance(end - 1) == []
    assert channel.advance(end) == [(0, bytes(51)), (2, bytes(51))]
    assert (channel.frames, channel.airtime_us) == (1, airtime_us(51, 9))


def test_overlapping_frames_spoil_each_other() -> None:
    channel = air()
    channel.transmit(1, b"a", 0)
    channel.transmit(2, b"b", 50)
    assert channel.advance(5000) == []
    assert channel.collisions == 2


def test_a_frame_after_another_of_the_same_antenna_never_collides_with_it() -> None:
    channel = air()
    end = channel.transmit(1, b"a", 0)
    channel.transmit(1, b"b", end - 3)  # word of the first end came late
    assert [frame for _, frame in channel.advance(5000)] == [b"a", b"a", b"b", b"b"]


def test_losses_are_drawn_for_each_receiver() -> None:
    draws = iter((0.1, 0.9))
    channel = Air(9, 0.5, lambda: next(draws))
    channel.nodes = {0, 1, 2}
    channel.transmit(1, b"a", 0)
    assert channel.advance(5000) == [(2, b"a")]
    assert channel.lost == 1


def test_the_channel_is_busy_for_others_while_a_frame_lasts() -> None:
    channel = air()
    end = channel.transmit(1, b"a", 0)
    assert channel.busy(2, 0)
    assert channel.busy(2, end - 1)
    assert not channel.busy(1, 0)
    assert not channel.busy(2, end)
