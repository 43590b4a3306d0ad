"""The decision over a burst, for every kind of burst."""

import pytest
from cam_parts import FakeDetection
from hypothesis import given
from hypothesis import strategies as st

from trapcam.sighting import Event, Rejected, decide

THRESHOLDS = {"feline": 0.5, "other_animal": 0.6, "person": 0.3, "vehicle": 0.4}


def seen(category: str, confidence: float) -> FakeDetection:
    return FakeDetection(category=category, confidence=confidence)


@pytest.mark.parametrize(
    ("frames", "reason", "private"),
    [
        ([[]], "nothing seen", False),
        ([[], []], "nothing seen", False),
        ([[seen("feline", 0.49)]], "below threshold", False),
        ([[seen("other_animal", 0.9)]], "other_animal", False),
        ([[seen("other_animal", 0.9), seen("feline", 0.2)]], "other_animal", False),
        ([[seen("person", 0.3)]], "person", True),
        ([[seen("vehicle", 0.4)]], "vehicle", True),
        ([[seen("person", 0.29)]], "nothing seen", False),
        # The cat is lost with the people: their privacy comes first.
        ([[seen("feline", 0.99)], [seen("person", 0.31)]], "person", True),
        ([[seen("feline", 0.99), seen("vehicle", 0.5)]], "vehicle", True),
    ],
)
def test_rejections(frames: list[list[FakeDetection]], reason: str, private: bool) -> None:
    decision = decide(frames, THRESHOLDS)
    assert isinstance(decision, Rejected)
    assert (decision.reason, decision.private) == (reason, private)


def test_the_best_frame_and_the_most_animals_seen_at_once() -> None:
    frames = [[seen("feline", 0.6), seen("feline", 0.55)], [seen("feline", 0.9)], [seen("other_animal", 0.95)]]
    event = decide(frames, THRESHOLDS)
    assert isinstance(event, Event)
    assert (event.frame, event.confidence, event.count, event.species) == (1, 0.9, 2, 0)


def test_of_equals_the_earliest_frame() -> None:
    event = decide([[seen("feline", 0.7)], [seen("feline", 0.7)]], THRESHOLDS)
    assert isinstance(event, Event)
    assert event.frame == 0


def test_a_threshold_of_the_settings_replaces_the_model_s() -> None:
    assert isinstance(decide([[seen("feline", 0.3)]], THRESHOLDS, ("feline",), 0.25), Event)
    assert isinstance(decide([[seen("feline", 0.8)]], THRESHOLDS, ("feline",), 0.9), Rejected)


def test_other_animals_where_they_are_wanted() -> None:
    event = decide([[seen("other_animal", 0.7)]], THRESHOLDS, ("feline", "other_animal"))
    assert isinstance(event, Event)
    assert event.category == "other_animal"


DETECTION = st.builds(
    FakeDetection,
    category=st.sampled_from(["feline", "other_animal", "person", "vehicle", "unheard of"]),
    confidence=st.floats(0, 1),
)


@given(frames=st.lists(st.lists(DETECTION, max_size=4), min_size=1, max_size=5))
def test_people_always_win_and_events_are_sound(frames: list[list[FakeDetection]]) -> None:
    decision = decide(frames, THRESHOLDS)
    people = any(
        d.category in ("person", "vehicle") and d.confidence >= THRESHOLDS[d.category] for f in frames for d in f
    )
    felines = [d.confidence for f in frames for d in f if d.category == "feline"]
    assert (isinstance(decision, Rejected) and decision.private) == people
    if isinstance(decision, Event):
        assert decision.confidence == max(felines) >= THRESHOLDS["feline"]
        assert any(d.confidence == decision.confidence for d in frames[decision.frame])
        assert 1 <= decision.count <= len(felines)
    elif not people:
        assert all(confidence < THRESHOLDS["feline"] for confidence in felines)
