"""Which rejected bursts are samples: never one that may show people, all near the threshold, a fair few of the rest."""

from datetime import UTC, datetime

import pytest
from cam_parts import NOW, FakeDetection
from hypothesis import assume, given
from hypothesis import strategies as st

from trapcam.audit import FAR, NEAR, PEOPLE, Sampler, halved_below, season, stratum_of
from trapcam.sighting import Rejected, decide

THRESHOLDS = {"feline": 0.5, "other_animal": 0.6, "person": 0.3, "vehicle": 0.4}
KEY = bytes(range(32))


def seen(category: str, confidence: float) -> FakeDetection:
    return FakeDetection(category=category, confidence=confidence)


@pytest.mark.parametrize(
    ("frames", "stratum"),
    [
        ([[]], FAR),
        ([[seen("feline", 0.249)]], FAR),
        ([[seen("feline", 0.25)]], NEAR),
        ([[], [seen("feline", 0.49)]], NEAR),
        ([[seen("other_animal", 0.9)]], FAR),  # sure of a deer is not near a cat
        ([[seen("other_animal", 0.9), seen("feline", 0.3)]], NEAR),
        ([[seen("feline", 0.3), seen("person", 0.149)]], NEAR),
        # What is half a person to the detector may be a whole one: it is left alone, however near a cat is.
        ([[seen("feline", 0.49)], [seen("person", 0.15)]], PEOPLE),
        ([[seen("vehicle", 0.2)]], PEOPLE),
        ([[seen("person", 0.31)]], PEOPLE),
    ],
)
def test_strata(frames: list[list[FakeDetection]], stratum: str) -> None:
    rejected = decide(frames, THRESHOLDS)
    assert isinstance(rejected, Rejected)
    assert stratum_of(rejected) == stratum


def test_people_may_be_kept_further_away() -> None:
    rejected = decide([[seen("feline", 0.4), seen("person", 0.04)]], THRESHOLDS)
    assert isinstance(rejected, Rejected)
    assert Sampler(key=KEY, epoch=1).cell(rejected, NOW).stratum == NEAR
    strict = Sampler(key=KEY, epoch=1, people=0.1).cell(rejected, NOW)
    assert (strict.stratum, strict.share) == (PEOPLE, 0.0)


def test_half_is_half_of_the_threshold_in_force() -> None:
    low = decide([[seen("feline", 0.2)]], THRESHOLDS, ("feline",), 0.4)
    assert isinstance(low, Rejected)
    assert stratum_of(low) == NEAR
    cranes = decide([[seen("other_animal", 0.25)]], THRESHOLDS, ("feline", "other_animal"))
    assert isinstance(cranes, Rejected)
    assert (stratum_of(cranes), cranes.bbox) == (FAR, (0.25, 0.25, 0.5, 0.5))


def test_the_frame_that_comes_nearest_is_named() -> None:
    rejected = decide([[seen("feline", 0.1)], [seen("feline", 0.4)], [seen("feline", 0.4)]], THRESHOLDS)
    assert isinstance(rejected, Rejected)
    assert rejected.frame == 1


DETECTION = st.builds(
    FakeDetection,
    category=st.sampled_from(["feline", "other_animal", "person", "vehicle", "unheard of"]),
    confidence=st.floats(0, 1),
)


@given(
    frames=st.lists(st.lists(DETECTION, max_size=4), min_size=1, max_size=5),
    share=st.floats(0, 1),
    position=st.integers(0, 1 << 40),
)
def test_no_burst_that_may_show_people_is_ever_a_sample(
    frames: list[list[FakeDetection]], share: float, position: int
) -> None:
    rejected = decide(frames, THRESHOLDS)
    assume(isinstance(rejected, Rejected))
    assert isinstance(rejected, Rejected)
    sampler = Sampler(key=KEY, epoch=1, share=share)
    chosen = sampler.draw("replay:x", position) < sampler.cell(rejected, NOW).share
    doubt = any(
        d.confidence >= THRESHOLDS[d.category] / 2 for f in frames for d in f if d.category in ("person", "vehicle")
    )
    if doubt:
        assert not chosen
    elif any(d.confidence >= 0.25 for f in frames for d in f if d.category == "feline"):
        assert chosen


def test_draws_are_the_same_at_every_start_and_nobody_s_to_choose() -> None:
    sampler = Sampler(key=KEY, epoch=7)
    draws = [sampler.draw("replay:a", position) for position in range(20_000)]
    assert draws == [Sampler(key=KEY, epoch=7, share=0.9).draw("replay:a", position) for position in range(20_000)]
    assert all(0 <= draw < 1 for draw in draws)
    chosen = sum(draw < 0.05 for draw in draws)
    assert abs(chosen - 1000) < 5 * (20_000 * 0.05 * 0.95) ** 0.5
    for other in (Sampler(key=bytes(32), epoch=7), Sampler(key=KEY, epoch=8)):
        both = sum(a < 0.05 and other.draw("replay:a", i) < 0.05 for i, a in enumerate(draws))
        assert both < 100  # 50 by chance
    assert sampler.draw("replay:b", 0) != draws[0]


def test_switched_off_bursts_are_counted_and_none_is_kept() -> None:
    sampler = Sampler(key=KEY, epoch=1, share=0.5, enabled=False)
    assert sampler.cell(Rejected(reason="", score=0.4, nearness=0.9), NOW).share == 0
    assert sampler.cell(Rejected(reason="", score=0.0), NOW).share == 0


@pytest.mark.parametrize(
    ("day", "name"),
    [((2026, 11, 30), "2026 autumn"), ((2026, 12, 1), "2027 winter"), ((2027, 2, 28), "2027 winter"),
     ((2027, 3, 1), "2027 spring"), ((2027, 8, 31), "2027 summer")],
)  # fmt: skip
def test_seasons(day: tuple[int, int, int], name: str) -> None:
    assert season(int(datetime(*day, 12, tzinfo=UTC).timestamp() * 1000)) == name


def test_a_clock_that_is_off_has_a_season_too() -> None:
    assert (season(-(1 << 50)), season(1 << 60)) == ("1970 winter", "10000 winter")


def test_halving_goes_on_until_a_draw_is_out() -> None:
    assert halved_below(1.0, 0.3) == 0.25
    assert halved_below(0.05, 0.049) == 0.025
    assert halved_below(0.05, 0.05) == 0.05
    assert halved_below(1.0, 0.0) == 0.0
