"""The second look: where it looks, and what two looks say together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trapcam.detections import Detection
from trapcam.look import SMALLEST_PX, SecondLook, mean_odds, merge, window

PLAN = SecondLook(grow=2.0, share=0.5, from_confidence=0.05)
SHARE = st.floats(0, 1)
Box = tuple[float, float, float, float]


def seen(category: str, confidence: float, box: Box = (0.4, 0.4, 0.2, 0.2)) -> Detection:
    return Detection(category=category, confidence=confidence, bbox=box)


def test_it_looks_at_the_surest_animal_with_ground_around_it() -> None:
    found = [
        seen("person", 0.9, (0, 0, 0.1, 0.1)),
        seen("feline", 0.4),
        seen("other_animal", 0.3, (0.8, 0.8, 0.1, 0.1)),
    ]
    assert window(found, 1000, 1000, PLAN) == (300, 300, 700, 700)
    assert window(found[:1], 1000, 1000, PLAN) is None, "nobody looks closer at people"
    assert window([seen("feline", 0.04)], 1000, 1000, PLAN) is None
    assert window([], 1000, 1000, PLAN) is None


@given(box=st.tuples(SHARE, SHARE, SHARE, SHARE), width=st.integers(1, 5000), height=st.integers(1, 5000))
def test_the_window_lies_in_the_picture_and_is_never_empty(box: Box, width: int, height: int) -> None:
    where = window([seen("feline", 0.5, box)], width, height, PLAN)
    assert where is not None
    left, top, right, bottom = where
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert right - left >= min(width, SMALLEST_PX) - 1


@pytest.mark.parametrize(
    ("first", "second", "share", "together"),
    [(0.5, 0.5, 0.5, 0.5), (0.9, 0.1, 0.5, 0.5), (0.9, 0.5, 0.5, 0.75), (0.9, 0.3, 0.0, 0.9), (0.9, 0.3, 1.0, 0.3)],
)
def test_two_confidences_meet_in_the_middle_of_their_odds(
    first: float, second: float, share: float, together: float
) -> None:
    assert mean_odds(first, second, share) == pytest.approx(together, abs=1e-6)


def test_both_looks_decide_about_an_animal() -> None:
    where = (300, 300, 700, 700)
    (cat,) = merge([seen("feline", 0.5)], [seen("feline", 0.9)], where, 1000, 1000, PLAN)
    assert cat.confidence == pytest.approx(0.75)
    assert cat.bbox == (0.4, 0.4, 0.2, 0.2)
    merged = merge([seen("feline", 0.5)], [seen("other_animal", 0.9)], where, 1000, 1000, PLAN)
    by_name = {d.category: d.confidence for d in merged}
    assert by_name["feline"] == pytest.approx(mean_odds(0.5, 0.01, 0.5))
    assert by_name["other_animal"] == pytest.approx(mean_odds(0.01, 0.9, 0.5))


def test_a_weak_box_beside_the_animal_does_not_become_a_second_one() -> None:
    first = [seen("feline", 0.8), seen("feline", 0.08, (0.42, 0.42, 0.05, 0.05))]
    merged = merge(first, [seen("feline", 0.95)], (300, 300, 700, 700), 1000, 1000, PLAN)
    assert merged[0].confidence == pytest.approx(mean_odds(0.8, 0.95, 0.5))
    assert merged[1].confidence == pytest.approx(merged[0].confidence / 10)


def test_what_lies_outside_the_window_stays_as_it_was() -> None:
    far = seen("feline", 0.3, (0.9, 0.9, 0.05, 0.05))
    merged = merge([seen("feline", 0.5), far], [], (300, 300, 700, 700), 1000, 1000, PLAN)
    assert far in merged


def test_what_only_the_second_look_saw_is_put_where_it_is_in_the_whole_picture() -> None:
    found = merge(
        [seen("feline", 0.5)], [seen("other_animal", 0.9, (0.5, 0.25, 0.5, 0.5))], (300, 200, 700, 600), 1000, 800, PLAN
    )
    box = next(d.bbox for d in found if d.category == "other_animal")
    assert box == pytest.approx((0.5, 0.375, 0.2, 0.25))


def test_a_person_that_either_look_sees_is_a_person() -> None:
    person = seen("person", 0.8, (0.5, 0.5, 0.5, 0.5))
    merged = merge(
        [seen("feline", 0.5), seen("person", 0.6, (0, 0, 0.1, 0.1))], [person], (0, 0, 500, 500), 1000, 1000, PLAN
    )
    assert sorted(d.confidence for d in merged if d.category == "person") == [0.6, 0.8]
