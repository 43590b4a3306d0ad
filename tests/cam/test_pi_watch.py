"""When a camera is opened anew, and when day becomes night: the decisions alone, in whatever time they are handed."""

import itertools

import pytest

from trapcam.camera.device import Controls
from trapcam.camera.light import Light, LightPlan
from trapcam.camera.watch import Act, Bounds, State, Watch

BOUNDS = Bounds(start_s=20, shot_s=6, close_s=8, pause_s=0.5, renew_shots=100, in_a_row=3, good_shots=5, hung=1)


def watch(shots: int = 0) -> Watch:
    made = Watch(BOUNDS, 0.0)
    made.opening(0.0)
    for _ in range(shots):
        made.shot(1.0)
    return made


def test_a_closed_camera_is_opened_at_once() -> None:
    assert Watch(BOUNDS, 5.0).act(5.0, idle=True) is Act.OPEN


@pytest.mark.parametrize(("shots", "bound_s"), [(0, 20), (1, 7)])
def test_nothing_within_its_bound_leaves_the_thread_behind(shots: int, bound_s: float) -> None:
    made = watch(shots)
    assert made.act(bound_s - 0.1, idle=True) is Act.NOTHING
    assert made.act(bound_s + 0.1, idle=True) is Act.LEAVE


def test_pauses_double_with_each_failure_in_a_row() -> None:
    made = Watch(Bounds(in_a_row=10, pause_s=0.5, longest_pause_s=3), 0.0)
    pauses = []
    for _ in range(5):
        made.opening(0.0)
        made.failed("x", 0.0)
        made.closed(0.0)
        pauses.append(next(t / 10 for t in range(100) if made.act(t / 10, idle=True) is Act.OPEN))
    assert pauses == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_failures_in_a_row_are_the_end_and_good_pictures_break_the_row() -> None:
    made = watch()
    for good in (0, 0, 5, 0):
        for _ in range(good):
            made.shot(1.0)
        made.failed("broken", 2.0)
        made.closed(2.0)
        assert made.state is State.DOWN
        made.opening(3.0)
    made.failed("broken for good", 4.0)
    made.closed(4.0)
    assert (made.state, made.restarts, made.reason) == (State.LOST, 5, "broken for good")
    assert made.act(1e9, idle=True) is Act.NOTHING


def test_threads_left_behind_are_counted_and_too_many_are_the_end() -> None:
    made = watch(1)
    made.left(10.0)
    assert (made.state, made.hung, made.restarts) == (State.DOWN, 1, 1)
    assert made.reason == "gave no picture within 6 s and does not answer"
    made.opening(11.0)
    made.left(40.0)
    assert (made.state, made.reason) == (State.LOST, "did not start within 20 s and does not answer")


def test_a_close_that_hangs_after_a_failure_is_one_restart() -> None:
    made = watch(1)
    made.failed("broken", 2.0)
    assert made.act(10.5, idle=True) is Act.LEAVE
    made.left(10.5)
    assert (made.restarts, made.hung, made.reason) == (1, 1, "did not close within 8 s and does not answer")


def test_a_close_that_hangs_at_a_renewal_is_a_restart_too() -> None:
    made = watch(100)
    made.renewing(2.0)
    made.left(11.0)
    assert (made.renewals, made.restarts, made.hung) == (1, 1, 1)


def test_it_is_renewed_when_idle_only_and_without_a_pause() -> None:
    made = watch(99)
    assert made.act(1.0, idle=True) is Act.NOTHING
    made.shot(1.0)
    assert made.act(1.0, idle=False) is Act.NOTHING
    assert made.act(1.0, idle=True) is Act.RENEW
    made.renewing(1.0)
    made.closed(1.5)
    assert made.act(1.5, idle=True) is Act.OPEN
    assert made.restarts == 0


# --- light ------------------------------------------------------------------------------------------------------------

PLAN = LightPlan()
DAY, NIGHT = 40.0, 0.05


def see(light: Light, brightness: float, now_s: float) -> Controls:
    """What a camera shows that does what it is told, in a scene so bright; what it is told next."""
    told = light.controls()
    exposure_us = told.exposure_us or round(min(max(0.4 / brightness, 1e-4), 0.1) * 1e6)
    gain = told.gain or min(max(0.4 / (brightness * exposure_us * 1e-6), 1.0), 8.0)
    light.see(min(brightness * exposure_us * 1e-6 * gain, 1.0), exposure_us, gain, now_s)
    return light.controls()


@pytest.mark.parametrize(
    ("brightness", "night"), [(DAY, False), (6.0, False), (NIGHT, True), (1e-9, True), (1e6, False)]
)
def test_the_first_picture_decides_at_once(brightness: float, night: bool) -> None:
    light = Light(PLAN)
    see(light, brightness, 0.0)
    assert light.night is night


def test_by_night_everything_is_fixed_whatever_comes() -> None:
    light = Light(PLAN)
    told = {see(light, brightness, number * 0.1) for number, brightness in enumerate([NIGHT, 0.3, 0.01, 8.0, 0.2] * 20)}
    assert told == {Controls(exposure_us=8000, gain=8.0, colour_gains=(1.0, 1.0))}


def test_dusk_falls_once_and_does_not_flicker() -> None:
    light = Light(PLAN)
    nights = []
    for second in range(3600):  # an hour from 12 down to 0.4, with clouds of a fifth
        brightness = 12.0 * (0.4 / 12.0) ** (second / 3600) * (1.2 if second % 7 < 3 else 0.8)
        see(light, brightness, float(second))
        nights.append(light.night)
    assert sum(a != b for a, b in itertools.pairwise(nights)) == 1
    assert nights[-1]


def test_dawn_comes_once_and_well_above_dusk() -> None:
    light = Light(PLAN)
    turned = []
    for second in range(3600):
        brightness = 0.4 * 30.0 ** (second / 3600) * (1.2 if second % 7 < 3 else 0.8)
        was = light.night or second == 0
        see(light, brightness, float(second))
        if was and not light.night:
            turned.append(brightness)
    assert len(turned) == 1
    assert turned[0] > PLAN.day_above > 2 * PLAN.night_below


def test_headlights_for_two_seconds_make_no_day() -> None:
    light = Light(PLAN)
    for tenth in range(200):
        see(light, 100.0 if 50 <= tenth < 70 else NIGHT, tenth / 10)
        assert light.night


def test_by_day_no_exposure_is_longer_than_what_freezes_a_walk() -> None:
    light = Light(PLAN)
    told = [see(light, 5.0, second * 0.4) for second in range(100)]
    assert told[2:] == [Controls(exposure_us=8000)] * 98, "the time fixed, the gain the camera's, without a change"
    assert not light.night
    bright = [see(light, DAY * 10, 40 + second * 0.4) for second in range(30)]
    assert bright[-1] == Controls(), "let go when there is light enough"


@pytest.mark.parametrize(("always", "night"), [("day", False), ("night", True)])
def test_what_is_set_is_not_decided(always: str, night: bool) -> None:
    light = Light(LightPlan(always=always))
    for second in range(60):
        see(light, NIGHT if always == "day" else DAY, float(second))
    assert light.night is night


def test_a_clock_that_goes_back_decides_nothing() -> None:
    light = Light(PLAN)
    see(light, DAY, 1000.0)
    see(light, NIGHT, 1000.0)
    see(light, NIGHT, 10.0)
    assert not light.night
    see(light, NIGHT, 16.0)
    assert light.night
