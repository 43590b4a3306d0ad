"""The Pi's camera over the simulated module, in virtual time: bursts around their triggers, every known fault."""

from pi_parts import Rig

from trapcam.frames import Burst, Unreadable


def numbers(burst: Burst | Unreadable | None) -> list[int]:
    """Which captures a burst shows, by their luminance."""
    assert isinstance(burst, Burst), burst
    return [int(frame.image[0, 0, 0]) - 39 for frame in burst.frames]


def test_a_burst_begins_before_its_trigger_and_goes_on_after_it() -> None:
    rig = Rig()
    rig.camera.start()
    rig.idle(4.0)
    trigger = rig.trigger()
    burst = rig.camera.frames(trigger, 0)
    assert isinstance(burst, Burst)
    found = numbers(burst)
    assert found == list(range(found[0], found[0] + 4)), "one after the other"
    times = [frame.taken_ms for frame in burst.frames]
    assert times[1] <= trigger.at_ms < times[2]
    assert all(300 <= b - a <= 500 for a, b in zip(times, times[1:], strict=False)), times
    assert burst.note == ""
