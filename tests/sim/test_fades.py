"""The losses of the simulated channel: how many, how long together, and the same for everybody with the same seed."""

import pytest

from trapsim.fades import BURST_FRAMES, FADE_MS, KINDS, Bursts, Fades, FadingAir, Losses

FRAME_MS = 1250
FRAMES = 1000
SEEDS = range(20)


def fates(losses: Losses, receiver: int = 0) -> list[bool]:
    return [losses.lost(receiver, i * FRAME_MS) for i in range(FRAMES)]


def bursts_in(found: list[bool]) -> int:
    return sum(1 for before, after in zip([False, *found], found, strict=False) if after and not before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", [0.1, 0.3, 0.6])
def test_the_mean_loss_is_what_was_asked_for(kind: str, loss: float) -> None:
    lost = sum(sum(fates(KINDS[kind](loss, seed))) for seed in SEEDS)
    assert lost / (FRAMES * len(SEEDS)) == pytest.approx(loss, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_without_loss_nothing_is_lost(kind: str) -> None:
    assert not any(fates(KINDS[kind](0.0, 1)))


def test_independent_losses_come_alone_and_bursts_together() -> None:
    mean = {}
    for kind in KINDS:
        found = [fates(KINDS[kind](0.3, seed)) for seed in SEEDS]
        mean[kind] = sum(map(sum, found)) / sum(map(bursts_in, found))
    assert mean["none"] == pytest.approx(1 / 0.7, rel=0.1)
    assert mean["frames"] == pytest.approx(BURST_FRAMES, rel=0.15)
    assert mean["time"] == pytest.approx(FADE_MS / FRAME_MS, rel=0.25)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_a_channel_and_receivers_have_their_own(kind: str) -> None:
    one = KINDS[kind](0.3, 5)
    assert fates(one, receiver=0) == fates(KINDS[kind](0.3, 5), receiver=0)
    assert fates(one, receiver=1) != fates(KINDS[kind](0.3, 5), receiver=0)
    assert fates(KINDS[kind](0.3, 6)) != fates(KINDS[kind](0.3, 5))


def test_silence_ends_a_fade_and_no_burst() -> None:
    """The fades lie where they lie, however often anybody looks; a burst waits for the next frame."""
    often, seldom = Fades(0.3, 1), Fades(0.3, 1)
    assert [often.lost(0, ms) for ms in range(0, 100_000, 10)][::500] == [
        seldom.lost(0, ms) for ms in range(0, 100_000, 5000)
    ]
    early, late = Bursts(0.3, 1), Bursts(0.3, 1)
    assert [early.lost(0, i) for i in range(100)] == [late.lost(0, i * 60_000) for i in range(100)]


def test_nothing_is_lost_before_the_start() -> None:
    class Everything:
        def lost(self, receiver: int, at_ms: int) -> bool:
            return True

    air = FadingAir(9, Everything())
    air.nodes = {0, 1}
    end = air.transmit(1, b"a", 0)
    assert air.advance(end) == [(0, b"a")]
    air.start(end)
    assert air.advance(air.transmit(1, b"b", end)) == []
    assert air.lost == 1
