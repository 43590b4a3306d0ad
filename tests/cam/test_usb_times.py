"""Which pictures a USB camera gives for a trigger that had to wait, and how large they may be; time is the test's."""

import io
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from cam_parts import CAT, NOW
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pictures
from video_parts import number_of, picture

from trapcam.camera import usb
from trapcam.camera.ring import COVER_S, MAX_RING_BYTES, Packed, Ring, unpack
from trapcam.camera.still import ReadError
from trapcam.camera.usb import UsbCamera, UsbPlan
from trapcam.frames import Burst, Unreadable
from trapcam.trigger import Trigger

PLAN = UsbPlan(frames=4, every_s=0.5, preroll=1)
RATE = 10
DAY_MS = 86_400_000


def jpeg(number: int) -> bytes:
    out = io.BytesIO()
    Pictures.fromarray(picture(number % 250, CAT)).save(out, "JPEG")
    return out.getvalue()


ONE = Packed(taken_ms=NOW, at_s=0.0, data=jpeg(0), codec="mjpeg", width=64, height=48, pix_fmt="yuvj420p")


class Bench:
    """A camera whose reader is fed by hand, `RATE` pictures a second; waiting makes the time pass."""

    def __init__(self, plan: UsbPlan = PLAN) -> None:
        self.number = 0
        self.set_ms = 0  # the clock was set by so much
        self.waited_s: list[float] = []
        self.camera = UsbCamera(
            "/dev/video0", self.open, plan, uncertainty_ms=100, now_ms=self.now_ms, monotonic_s=lambda: self.now_s
        )
        self.camera._reader.wait = self.wait  # type: ignore[method-assign]

    def open(self) -> Any:
        raise AssertionError("nothing is opened here")

    @property
    def now_s(self) -> float:
        return 1_000.0 + self.number / RATE

    def now_ms(self) -> int:
        return NOW + self.set_ms + round(self.number * 1000 / RATE)

    def run(self, seconds: float, **other: Any) -> None:
        for _ in range(round(seconds * RATE)):
            self.number += 1
            shown = {"data": jpeg(self.number), "taken_ms": self.now_ms(), "at_s": self.now_s} | other
            self.camera._reader._keep(replace(ONE, **shown))

    def wait(self, from_s: float, timeout_s: float) -> Packed:
        self.waited_s.append(from_s)
        while (latest := self.camera._reader._since(from_s)) is None:
            self.run(1 / RATE)
        return latest

    def burst(self, ago_s: float = 0.0, at_ms: int | None = None) -> list[float]:
        """When each frame of a burst was taken, in s from the trigger of `ago_s` ago; each shows what was then."""
        trigger = Trigger(number=1, cause=0, at_ms=self.now_ms() - round(ago_s * 1000) if at_ms is None else at_ms)
        taken = self.camera.frames(trigger, 0)
        assert isinstance(taken, Burst), taken
        for frame in taken.frames:
            assert number_of(frame.image) == (frame.taken_ms - NOW - self.set_ms) * RATE // 1000 % 250
        return [(frame.taken_ms - trigger.at_ms) / 1000 for frame in taken.frames]


def test_a_trigger_that_comes_now() -> None:
    bench = Bench()
    bench.run(10)
    assert bench.burst() == pytest.approx([-0.5, 0, 0.5, 1], abs=0.26)
    assert len(bench.waited_s) >= 2


def test_without_preroll_every_frame_is_from_after_the_trigger() -> None:
    bench = Bench(replace(PLAN, preroll=0))
    bench.run(10)
    for ago_s in (5.0, 0.0):
        times = bench.burst(ago_s)
        assert times == pytest.approx([0.2, 0.7, 1.2, 1.7], abs=0.26)
        assert min(times) >= 0


@pytest.mark.parametrize("ago_s", [2.0, 4.0, 9.0, 40.0])
def test_a_trigger_that_waited_for_the_detector_gets_the_frames_of_its_own_time(ago_s: float) -> None:
    bench = Bench()
    bench.run(50)
    assert bench.burst(ago_s) == pytest.approx([-0.5, 0, 0.5, 1], abs=0.3)
    assert bench.waited_s == [], "they were all there"


def test_triggers_that_waited_together_get_each_picture_once() -> None:
    bench = Bench()
    bench.run(20)
    seen = [round(at - ago, 3) for ago in (6.0, 5.0, 4.9, 0.0) for at in bench.burst(ago)]
    assert seen == sorted(set(seen))


def test_a_trigger_from_before_anything_that_is_kept_begins_with_the_oldest() -> None:
    bench = Bench()
    bench.run(3)
    assert bench.burst(10.0) == pytest.approx([7.1, 7.6, 8.1, 8.6], abs=0.26), "taken_ms says so"
    bench.run(2 * COVER_S)
    assert min(bench.burst(1.9 * COVER_S)) == pytest.approx(0.9 * COVER_S, abs=2.5)


@pytest.mark.parametrize("set_ms", [-DAY_MS, DAY_MS])
def test_a_clock_that_was_set_since_the_trigger_costs_no_burst(set_ms: int) -> None:
    bench = Bench()
    bench.run(10)
    at_ms = bench.now_ms()
    bench.set_ms = set_ms
    taken = bench.camera.frames(Trigger(number=1, cause=0, at_ms=at_ms), 0)
    assert isinstance(taken, Burst)
    assert len(taken.frames) == 4


def test_a_camera_that_went_after_the_trigger_still_gives_what_it_took() -> None:
    bench = Bench()
    bench.run(10)

    def gone(from_s: float, timeout_s: float) -> Packed:
        raise ReadError("it stopped sending")

    bench.camera._reader.wait = gone  # type: ignore[method-assign]
    trigger = Trigger(number=1, cause=0, at_ms=bench.now_ms() - 300)
    taken = bench.camera.frames(trigger, 0)
    assert isinstance(taken, Burst)
    assert 1 <= len(taken.frames) < 4
    assert "frames: /dev/video0: it stopped sending" in taken.note
    bench.number += 600
    later = Trigger(number=2, cause=0, at_ms=bench.now_ms())
    assert isinstance(bench.camera.frames(later, 1), Unreadable), "what was taken a minute ago is not of this one"


def test_a_picture_larger_than_a_burst_can_hold_is_refused_by_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usb, "MAX_BURST_PIXELS", 4 * 64 * 48)
    bench = Bench()
    bench.run(5)
    assert len(bench.burst(3.0)) == 4
    bench = Bench(UsbPlan(frames=5, every_s=0.5, preroll=1))
    bench.run(5)
    taken = bench.camera.frames(Trigger(number=1, cause=0, at_ms=bench.now_ms() - 3000), 0)
    assert isinstance(taken, Unreadable)
    assert "/dev/video0: 0.0 megapixels, allowed are 0.002" in taken.reason


def test_a_raw_picture_is_refused_by_its_size() -> None:
    raw = replace(ONE, data=bytes(64 * 48 * 2), codec="rawvideo", pix_fmt="yuyv422")
    assert unpack(raw, 64 * 48).shape == (48, 64, 3)
    with pytest.raises(ReadError, match=r"gave 196\.0 megapixels, allowed are 20$"):
        unpack(replace(raw, width=14_000, height=14_000), 20e6)


def test_a_camera_s_padding_is_not_part_of_the_full_frame() -> None:
    bench = Bench()
    bench.run(5, data=ONE.data + bytes(700))
    taken = bench.camera.frames(Trigger(number=1, cause=0, at_ms=bench.now_ms() - 3000), 0)
    assert isinstance(taken, Burst)
    assert taken.frames[0].jpeg == ONE.data
    bench.run(5, data=ONE.data + ONE.data)  # two fields, or whatever it is
    taken = bench.camera.frames(Trigger(number=2, cause=0, at_ms=bench.now_ms() - 3000), 0)
    assert isinstance(taken, Burst)
    assert taken.frames[0].jpeg is None
    assert np.abs(taken.frames[0].image.astype(int) - picture(0, CAT)).mean() < 12


@given(
    pictures=st.lists(st.tuples(st.floats(0, 3), st.integers(0, 900)), max_size=60),
    every_s=st.floats(0, 2),
    cover_s=st.floats(0, 20),
    max_bytes=st.integers(0, 3_000),
)
def test_a_ring_keeps_to_its_bounds(
    pictures: list[tuple[float, int]], every_s: float, cover_s: float, max_bytes: int
) -> None:
    ring, at_s = Ring(every_s, cover_s, max_bytes), 0.0
    for later_s, size in pictures:
        at_s += later_s
        ring.add(replace(ONE, at_s=at_s, data=bytes(size)))
        kept = ring.after(-1.0)
        assert len(kept) == 1 or sum(len(one.data) for one in kept) <= max_bytes
        assert kept[-1].at_s - kept[0].at_s <= cover_s
        assert all(b.at_s >= a.at_s + every_s for a, b in pairwise(kept))
        assert ring._bytes == sum(len(one.data) for one in kept)


def test_the_ring_holds_a_minute_of_usual_pictures() -> None:
    assert COVER_S / 0.25 * 100_000 <= MAX_RING_BYTES
