"""The Pi's camera over the simulated module, in virtual time: bursts around their triggers, every known fault."""

import gc
import itertools

import numpy as np
import pytest
from pi_parts import SIZE, Rig, SimLamp

from trapcam.camera.device import CameraLostError, Shot
from trapcam.camera.feed import Taken
from trapcam.camera.pi import RING
from trapcam.camera.watch import Bounds
from trapcam.frames import Burst, Frame, Unreadable
from trapkit.errors import SetupError
from trapsim.picam import Faults, packed

FIRST = 40  # luminance of the first capture


def numbers(burst: Burst) -> list[int]:
    """Which captures a burst shows, by their luminance."""
    return [int(frame.image[0, 0, 0]) - FIRST + 1 for frame in burst.frames]


def taken(rig: Rig, age_s: float = 0.0) -> Burst:
    burst = rig.camera.frames(rig.trigger(age_s=age_s), 0)
    assert isinstance(burst, Burst), burst
    return burst


def test_a_burst_begins_before_its_trigger_and_goes_on_after_it() -> None:
    rig = Rig()
    rig.camera.start()
    rig.idle(4.0)
    trigger = rig.trigger()
    burst = taken(rig)
    assert burst.note == ""
    assert numbers(burst) == list(range(numbers(burst)[0], numbers(burst)[0] + 4)), "one after the other"
    times = [frame.taken_ms for frame in burst.frames]
    assert times[1] <= trigger.at_ms < times[2], "two of four from before it"
    assert times[2] - trigger.at_ms <= 200, "the first after it is asked for at once"
    assert all(100 <= after - before <= 500 for before, after in itertools.pairwise(times)), times
    assert burst.frames[0].image.shape == (SIZE[1], SIZE[0], 3)
    assert (burst.frames[0].uncertainty_ms, burst.frames[0].jpeg) == (100, None)
    assert burst.frames[0].name.startswith("pi 2027-01-15T08:00:0")


def test_no_picture_is_given_twice() -> None:
    rig = Rig()
    rig.camera.start()
    rig.idle(3.0)
    shown = [number for _ in range(5) for number in numbers(taken(rig))]
    assert shown == sorted(set(shown))


def test_a_trigger_that_waited_begins_with_what_is_left_of_its_time() -> None:
    rig = Rig()
    rig.camera.start()
    rig.idle(6.0)
    old, older = taken(rig, age_s=1.2), None
    assert old.frames[2].taken_ms < rig.time.now_ms() - 600, "from the ring, nothing waited for"
    rig.idle(6.0)
    older = taken(rig, age_s=600)
    assert len(older.frames) == 4
    assert older.frames[0].taken_ms >= rig.time.now_ms() - (RING + 4) * 500


def test_a_trigger_from_a_clock_that_was_set_is_taken_for_now() -> None:
    rig = Rig()
    rig.camera.start()
    rig.idle(3.0)
    assert len(taken(rig, age_s=-86_400).frames) == 4


def test_the_ring_holds_six_pictures_and_no_more() -> None:
    rig = Rig()
    rig.camera.start()
    rig.idle(30.0)
    assert len(rig.camera._feed.kept()) == RING


def test_one_device_at_a_time_and_closed_at_the_end() -> None:
    rig = Rig(Faults(fail=(5, 6, 7, 9)))
    rig.camera.start()
    rig.idle(20.0)
    rig.camera.close()
    rig.camera.close()
    assert (rig.module.most_open, rig.module.open) == (1, 0)


def test_a_capture_that_stays_away_is_bounded_and_the_burst_goes_on() -> None:
    rig = Rig(Faults(late=(13,)))
    rig.camera.start()
    rig.idle(4.8)
    burst = rig.camera.frames(rig.trigger(), 0)
    assert isinstance(burst, Burst)
    assert "gave no picture for 4.5 s" in (burst.note + rig.camera._watch.reason)
    assert rig.idle(5.0) == ["camera_restarts_silent"]
    assert taken(rig).note == ""
    assert rig.module.starts == 2


def test_a_capture_that_hangs_for_minutes_costs_one_restart() -> None:
    rig = Rig(Faults(hang=(13,), hang_s=100.0))
    rig.camera.start()
    rig.idle(4.0)
    told = rig.idle(120.0)
    assert told == ["camera_restarts_silent"]
    assert taken(rig).note == ""


def test_an_error_every_1500_captures_is_forestalled_by_a_renewal() -> None:
    rig = Rig(Faults(error_every=1500))
    rig.camera.start()
    told = rig.idle(1500.0)
    assert rig.module.captures > 3000
    assert set(told) == {"camera_renewals"}
    assert len(told) == rig.camera._watch.renewals == rig.module.starts - 1


def test_without_renewals_the_error_comes_and_is_counted() -> None:
    rig = Rig(Faults(error_every=1500), bounds=Bounds(renew_shots=0))
    rig.camera.start()
    assert rig.idle(700.0) == ["camera_restarts_error"]
    assert taken(rig).note == ""


def test_no_renewal_within_a_burst() -> None:
    rig = Rig(bounds=Bounds(renew_shots=6))
    rig.camera.start()
    rig.idle(1.8)
    before = rig.module.starts
    assert taken(rig).note == ""
    assert rig.module.starts == before
    assert rig.idle(1.0) == ["camera_renewals"]


def test_memory_that_is_gone_at_the_start_is_waited_for() -> None:
    rig = Rig(Faults(no_memory=(1, 2)))
    rig.camera.start()
    assert rig.idle(1.0) == ["camera_restarts_memory"] * 2
    assert taken(rig).note == ""


def test_memory_that_never_comes_ends_the_process_with_its_reason() -> None:
    rig = Rig(Faults(no_memory_from=2), bounds=Bounds(renew_shots=5))
    rig.camera.start()
    with pytest.raises(CameraLostError, match=r"failed to allocate capture buffers.*started again"):
        rig.idle(200.0)
    assert rig.told.count("camera_restarts_memory") == Bounds().in_a_row, "all told before it ends"
    assert isinstance(rig.camera.frames(rig.trigger(), 0), Unreadable), "asked all the same: at once, and no crash"


def test_a_camera_that_is_not_there_is_said_at_the_start() -> None:
    rig = Rig(Faults(gone=(1, 10_000)))
    with pytest.raises(SetupError, match=r"camera.kind is 'pi': no camera number 0 found; .*rpicam-hello"):
        rig.camera.start()
    assert rig.time.now_s < 1000 + 30, "bounded"


def test_a_camera_that_goes_in_mid_burst_gives_the_frames_there_were_with_a_note() -> None:
    rig = Rig(Faults(gone=(14, 10_000)), bounds=Bounds(in_a_row=50))
    rig.camera.start()
    while rig.module.captures < 11:
        rig.idle(0.05)
    burst = taken(rig)
    assert numbers(burst) == [10, 11, 12, 13]
    burst = rig.camera.frames(rig.trigger(), 1)
    assert isinstance(burst, Unreadable)
    assert "no camera number 0 found" in burst.reason or "gave no picture" in burst.reason


def test_a_burst_that_is_cut_short_says_how_much_is_missing_and_why() -> None:
    rig = Rig(Faults(gone=(12, 10_000)), bounds=Bounds(in_a_row=50))
    rig.camera.start()
    while rig.module.captures < 10:
        rig.idle(0.05)
    burst = taken(rig)
    assert numbers(burst) == [9, 10, 11]
    assert burst.note.startswith("3 of 4 frames: ")
    assert "it is opened again" in burst.note


def test_a_camera_that_comes_back_is_used_again() -> None:
    rig = Rig(Faults(gone=(12, 18)), bounds=Bounds(in_a_row=50))
    rig.camera.start()
    rig.idle(60.0)
    assert taken(rig).note == ""
    assert rig.camera._watch.restarts > 0


def test_a_picture_of_another_size_is_refused() -> None:
    rig = Rig(Faults(wrong_size=(13,)))
    rig.camera.start()
    rig.idle(4.0)
    assert rig.idle(5.0) == ["camera_restarts_error"]
    assert "gave a picture of 64×24 in place of 64×48" in rig.camera._watch.reason
    assert all(one.main.shape == (72, 64) for one in rig.camera._feed.kept())


def test_time_stamps_that_jump_are_not_believed() -> None:
    rig = Rig(Faults(jump_s=((8, 3600.0), (9, -3600.0), (10, 0.5))))
    rig.camera.start()
    rig.idle(4.0)
    kept = rig.camera._feed.kept()
    ages = [rig.time.now_ms() - one.taken_ms for one in kept]
    assert all(0 <= age < 4000 for age in ages), ages
    assert ages == sorted(ages, reverse=True)


def test_a_time_stamp_from_before_an_outage_is_not_believed() -> None:
    rig = Rig(Faults(late=(8,), jump_s=((9, -3.0),)))
    rig.camera.start()
    while rig.module.captures < 9:
        rig.idle(0.05)
    assert rig.time.now_ms() - rig.camera._feed.kept()[-1].taken_ms < 1000


def test_black_pictures_are_given_as_they_are_and_taken_for_night() -> None:
    lamp = SimLamp()
    rig = Rig(Faults(black=(10, 1000)), light=40.0, lamp=lamp)
    rig.camera.start()
    rig.idle(2.0)
    assert lamp.day is True
    rig.idle(20.0)
    assert lamp.day is False
    assert taken(rig).frames[0].image.mean() < 5


def test_a_burst_by_day_needs_no_lamp() -> None:
    lamp = SimLamp()
    rig = Rig(light=40.0, lamp=lamp)
    rig.camera.start()
    rig.idle(3.0)
    assert taken(rig).lit is False
    assert lamp.switched == []


def test_by_night_the_lamp_shines_on_every_frame_from_the_trigger_to_the_end() -> None:
    lamp = SimLamp()
    rig = Rig(light=0.02, lamp=lamp)
    rig.camera.start()
    rig.idle(3.0)
    trigger = rig.trigger()
    burst = taken(rig)
    assert lamp.switched == [True, False]
    assert burst.lit is True
    assert len(burst.frames) == 4
    assert all(frame.taken_ms > trigger.at_ms for frame in burst.frames), "no frame from before: it would be dark"
    brightness = [frame.image.mean() for frame in burst.frames]
    assert max(brightness) - min(brightness) < 1 < 40 < min(brightness), brightness
    assert not lamp.on


def test_a_frame_whose_exposure_began_before_the_lamp_is_not_given() -> None:
    rig = Rig(light=0.02, lamp=SimLamp())
    rig.camera.start()
    rig.idle(3.0)
    rig.module.lag_s = 0.096  # read 4 ms after the lamp was lit; exposed for 8 ms
    trigger = rig.trigger()
    assert taken(rig).frames[0].taken_ms - trigger.at_ms > 8


def test_the_lamp_does_not_make_day() -> None:
    rig = Rig(light=0.02, lamp=SimLamp())
    rig.module.lamp_light = 50.0
    rig.camera.start()
    rig.idle(3.0)
    for _ in range(20):
        taken(rig)
    assert rig.camera._light.night


def test_the_lamp_goes_out_when_the_camera_dies_under_it() -> None:
    lamp = SimLamp()
    rig = Rig(Faults(gone=(12, 10_000)), light=0.02, lamp=lamp, bounds=Bounds(in_a_row=50))
    rig.camera.start()
    rig.idle(5.0)
    began_s = rig.time.now_s
    assert isinstance(rig.camera.frames(rig.trigger(), 0), Unreadable)
    assert lamp.switched == [True, False]
    assert rig.time.now_s - began_s < 20


def test_a_lamp_that_cannot_be_switched_is_said_with_the_burst() -> None:
    class Broken(SimLamp):
        def light(self, on: bool) -> None:
            if on:
                raise OSError(19, "No such device")

    rig = Rig(light=0.02, lamp=Broken())
    rig.camera.start()
    rig.idle(3.0)
    assert taken(rig).note == "the lamp cannot be switched: No such device"


def test_a_lamp_s_line_that_is_not_to_be_had_is_said_at_the_start() -> None:
    class Taken(SimLamp):
        def light(self, on: bool) -> None:
            raise OSError(16, "Device or resource busy")

    with pytest.raises(SetupError, match=r"camera.pi.lamp_gpio.*Device or resource busy"):
        Rig(lamp=Taken()).camera.start()


def alive() -> int:
    """Pictures and frames that anything still holds."""
    gc.collect()
    return sum(isinstance(one, Taken | Shot | Frame) for one in gc.get_objects())


def test_two_thousand_bursts_with_faults_leave_nothing_behind() -> None:
    others = alive()  # of tests before this one
    rig = Rig(Faults(error_every=700, late=tuple(range(977, 60_000, 977)), hang=tuple(range(3001, 60_000, 3001))))
    rig.camera.start()
    counts, whole = [], 0
    for number in range(2000):
        burst = rig.camera.frames(rig.trigger(number), number)
        whole += isinstance(burst, Burst) and len(burst.frames) == 4
        rig.idle(0.1)
        if number in (500, 1999):
            del burst
            counts.append(alive() - others)
    assert counts == [RING] * 2
    assert whole > 1950
    assert rig.module.most_open == 1
    assert rig.camera._watch.restarts > 5


def test_a_picture_comes_out_of_its_packing_as_it_went_in() -> None:
    from trapcam.camera.yuv import pack, unpack

    ramp = np.linspace(0, 255, 96 * 128 * 3).astype(np.uint8).reshape(96, 128, 3)
    smooth = ramp.copy()
    smooth[..., 0], smooth[..., 2] = 200, 40
    there = packed(smooth)
    assert np.abs(unpack(there).astype(int) - smooth).max() <= 4
    padded = np.zeros((144, 160), np.uint8)  # as a driver pads rows: luminance to 160, chroma to 80
    padded[:96, :128] = there[:96]
    padded[96:].reshape(96, 80)[:, :64] = there[96:].reshape(96, 64)
    assert (pack(padded.reshape(-1), 128, 96, 160) == there).all()
    pairs = np.zeros((144, 160), np.uint8)
    pairs[:96, :128] = there[:96]
    planes = there[96:].reshape(2, 48, 64)
    pairs[96:, :128] = np.stack([planes[0], planes[1]], axis=-1).reshape(48, 128)
    assert (pack(pairs.reshape(-1), 128, 96, 160, interleaved=True) == there).all()
    with pytest.raises(ValueError, match="are no 128×96 picture"):
        pack(padded.reshape(-1)[:-1], 128, 96, 160)
