"""Where something moved in a burst, and the second look there."""

import numpy as np
import pytest
from cam_parts import NOW, ColourJudge, FakeDetection, sealer
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pictures

from trapcam.capture import Capture, Policy
from trapcam.detections import Detection
from trapcam.frames import Burst, Frame, Image
from trapcam.look import SecondLook, merge, window
from trapcam.motion import moved
from trapcam.trigger import Trigger

HEIGHT, WIDTH = 480, 640


def ground(seed: int = 1, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Something like grass: coarse and fine brown noise."""
    rng = np.random.default_rng(seed)
    coarse = Pictures.fromarray(rng.integers(60, 150, (height // 40, width // 40), np.uint8)).resize((width, height))
    grey = np.asarray(coarse, np.float32) + rng.normal(0, 12, (height, width))
    return np.clip(grey[..., None] * [1, 0.95, 0.7], 0, 255).astype(np.uint8)


def burst(places: list[tuple[int, int]], *, noise: float = 3, seed: int = 1) -> list[np.ndarray]:
    """A patch of 60 × 40 pixels at each place (left, top) in turn, over still ground with a sensor's noise."""
    rng = np.random.default_rng(seed)
    frames = []
    for left, top in places:
        frame = ground().astype(np.float32)
        frame[top : top + 40, left : left + 60] = (200, 150, 60)
        frames.append(np.clip(frame + rng.normal(0, noise, frame.shape), 0, 255).astype(np.uint8))
    return frames


@settings(max_examples=25, deadline=None)
@given(
    places=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9)), min_size=3, max_size=4, unique=True),
    noise=st.floats(0, 12),
)
def test_what_moved_is_found_where_it_is_in_each_picture(places: list[tuple[int, int]], noise: float) -> None:
    corners = [(80 * column, 44 * row) for column, row in places]
    for (left, top), box in zip(corners, moved(burst(corners, noise=noise)), strict=True):
        assert box is not None
        x, y, w, h = box
        assert x * WIDTH <= left + 12
        assert (x + w) * WIDTH >= left + 48
        assert y * HEIGHT <= top + 12
        assert (y + h) * HEIGHT >= top + 28
        assert w * h < 0.1, "the place, not the whole picture"


def test_of_two_pictures_both_places_are_in_question() -> None:
    first, second = moved(burst([(80, 88), (400, 308)]))
    assert first == second is not None


@pytest.mark.parametrize("noise", [0, 1, 5, 20])
def test_where_nothing_moves_nothing_is_found(noise: float) -> None:
    assert moved(burst([(80, 88)] * 3, noise=noise)) == [None] * 3


def test_another_exposure_is_no_motion() -> None:
    still = ground()
    brighter = np.clip(still.astype(np.float32) * 1.4 + 10, 0, 255).astype(np.uint8)
    assert moved([still, brighter, still]) == [None] * 3


def test_one_picture_or_several_sizes_tell_nothing() -> None:
    assert moved([]) == []
    assert moved([ground()]) == [None]
    assert moved([ground(), ground(height=240, width=320)]) == [None, None]


@settings(max_examples=40, deadline=None)
@given(shape=st.tuples(st.integers(1, 90), st.integers(1, 90)), count=st.integers(2, 4), seed=st.integers(0, 2**32))
def test_any_pictures_will_do(shape: tuple[int, int], count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for box in moved([rng.integers(0, 256, (*shape, 3), np.uint8) for _ in range(count)]):
        if box is not None:
            x, y, w, h = box
            assert 0 <= x < x + w <= 1
            assert 0 <= y < y + h <= 1


def test_the_trap_s_detector_is_told_where() -> None:
    told: list[object] = []

    class Listening(ColourJudge):
        def detect(self, image: Image, moved: object = None) -> list[FakeDetection]:
            told.append(moved)
            return []

    frames = burst([(80, 88), (400, 308), (240, 176)])
    taken = Burst(
        trigger=Trigger(number=1, at_ms=NOW, cause=0),
        frames=tuple(
            Frame(name=f"{i}.jpg", pixels=frame, taken_ms=NOW + i, uncertainty_ms=None)
            for i, frame in enumerate(frames)
        ),
    )
    Capture(Listening(), sealer(), Policy()).outcome(taken, "here", 0)
    assert told == moved(frames)
    assert None not in told


def test_the_second_look_goes_where_it_moved_when_no_animal_is_likely() -> None:
    plan = SecondLook(grow=2, share=0.5, from_confidence=0.02)
    place = (0.4, 0.4, 0.1, 0.2)
    assert window([], 1000, 1000, plan, place) == window([cat(0.5, place)], 1000, 1000, plan)
    elsewhere = cat(0.5, (0.1, 0.1, 0.1, 0.1))
    assert window([elsewhere], 1000, 1000, plan, place) == window([elsewhere], 1000, 1000, plan)
    assert window([cat(0.01, place)], 1000, 1000, plan) is None


def cat(confidence: float, box: tuple[float, float, float, float]) -> Detection:
    return Detection(category="feline", confidence=confidence, bbox=box)


def test_a_cat_that_only_the_second_look_sees_is_kept_by_it() -> None:
    plan = SecondLook(grow=2, share=0.5, from_confidence=0.02)
    where = window([], 1000, 1000, plan, (0.4, 0.4, 0.2, 0.2))
    assert where is not None
    (found,) = merge([], [cat(0.99, (0.25, 0.25, 0.5, 0.5))], where, 1000, 1000, plan)
    assert found.confidence == pytest.approx(0.5, abs=0.01), "0.01 and 0.99 are as far from even odds"
    assert found.bbox == pytest.approx((0.4, 0.4, 0.2, 0.2))
