"""The time of pictures, and what the base asks for by name: from the supervisor's line to outbox and stamps."""

import struct
from pathlib import Path

import numpy as np
import pytest
from cam_parts import BACKEND, CAT, NOW, PtySupervisor, write_picture
from records import SOURCE, kept

from trapcam.camera.replay import open_replay
from trapcam.clock import Clock
from trapcam.frames import Burst, Frame
from trapcam.outbox import Outbox
from trapcam.states import DELIVERED, HELD, STORED, WAITING
from trapcam.trigger import Trigger
from trapcam.uplink import Uplink
from trapwire import serialline as kinds
from trapwire.objects import ALERT, CROP, FRAME, FULL, ObjectKey, decode_envelope, pack_keys
from trapwire.words import encode_time

TRAP = 7
HOUR_MS = 3_600_000


class Times:
    """The computer's two clocks, by hand."""

    def __init__(self, own_ms: int | None) -> None:
        self.system = NOW
        self.monotonic = 50_000
        self.clock = Clock(own_ms, system_ms=lambda: self.system, monotonic_ms=lambda: self.monotonic)
        self._own_ms = own_ms

    def pass_ms(self, ms: int) -> None:
        self.system += ms
        self.monotonic += ms

    def stamp(self, ago_ms: int = 0) -> tuple[int, int | None]:
        """Time and uncertainty of a picture taken a while ago."""
        at = self.system - ago_ms
        image = np.zeros((2, 2, 3), np.uint8)
        frame = Frame(pixels=image, taken_ms=at, uncertainty_ms=self._own_ms, name="x")
        burst = self.clock.stamp(Burst(frames=(frame,), trigger=Trigger(number=1, cause=0, at_ms=at)))
        assert burst.trigger.at_ms == burst.frames[0].taken_ms
        return burst.frames[0].taken_ms, burst.frames[0].uncertainty_ms


def test_without_a_word_the_computers_time_stands() -> None:
    times = Times(None)
    assert times.stamp() == (NOW, None)
    assert Times(300).stamp() == (NOW, 300)


def test_a_clock_that_is_hours_off_is_corrected_by_the_supervisors_word() -> None:
    times = Times(None)
    times.clock.hear(NOW + 5 * HOUR_MS, 400)
    assert times.stamp() == (NOW + 5 * HOUR_MS, 401)
    times.pass_ms(HOUR_MS)
    assert times.stamp(ago_ms=500) == (NOW + 6 * HOUR_MS - 500, 400 + 360 + 1)


def test_the_surer_of_the_two_counts() -> None:
    times = Times(500)
    times.clock.hear(NOW + 450, 400)
    assert times.stamp() == (NOW + 450, 401)
    times.pass_ms(HOUR_MS)  # the word has grown old: 400 + 361 ms
    assert times.stamp() == (NOW + HOUR_MS, 500)


def test_a_computers_clock_that_is_set_meanwhile_changes_nothing() -> None:
    times = Times(None)
    times.clock.hear(NOW + HOUR_MS, 400)
    times.system -= 9 * HOUR_MS
    times.pass_ms(1000)
    assert times.stamp() == (NOW + HOUR_MS + 1000, 401)


def test_no_event_is_stamped_before_the_one_before_it() -> None:
    times = Times(None)
    times.clock.hear(NOW + 60_000, 5000)
    first, _ = times.stamp()
    times.pass_ms(1000)
    times.clock.hear(NOW + 41_000, 100)  # surer, and nineteen seconds back
    assert times.stamp() == (first, 101 + 19_000)
    times.pass_ms(30_000)
    assert times.stamp() == (NOW + 71_000, 104)


def wanted(number: int, rung: int, outbox: Outbox, **other: int) -> bytes:
    return pack_keys([ObjectKey(other.get("trap", TRAP), other.get("epoch", outbox.epoch), number, rung)])


@pytest.fixture
def box(outbox: Outbox) -> Outbox:
    outbox.declare_source(SOURCE, None)
    for position in range(3):
        outbox.commit(kept(position))
    return outbox


def test_a_held_frame_that_is_wanted_goes_by_radio_before_the_crops(box: Outbox, supervisor: PtySupervisor) -> None:
    uplink = Uplink(supervisor.port, box, bytes(BACKEND.verify_key))
    uplink.step(NOW)
    supervisor.say(kinds.WANTED, wanted(2, FRAME, box))
    for step in range(20):
        uplink.step(NOW + step * 50)
        supervisor.step()
    puts = [p for k, p in supervisor.heard if k == kinds.PUT]
    order = [(p[0], decode_envelope(p[1:]).key.number, decode_envelope(p[1:]).key.rung) for p in puts]
    assert order[:3] == [(1, 1, ALERT), (1, 2, ALERT), (1, 3, ALERT)]  # an alarm would be 0
    assert order.index((2, 2, FRAME)) < order.index((3, 2, CROP))  # the first crop was on offer already
    assert (1, 2, FRAME) in box.in_state(STORED)
    assert [rung for _, _, rung in box.in_state(HELD)].count(FRAME) == 2


def test_what_is_not_here_or_goes_by_no_radio_is_not_answered(box: Outbox, supervisor: PtySupervisor) -> None:
    uplink = Uplink(supervisor.port, box, bytes(BACKEND.verify_key))
    uplink.step(NOW)
    before = box.in_state(HELD)
    for payload in (
        wanted(99, FRAME, box), wanted(2, FULL, box), wanted(2, FRAME, box, epoch=box.epoch ^ 1),
        wanted(2, FRAME, box, trap=8), b"", b"nonsense",
    ):  # fmt: skip
        supervisor.say(kinds.WANTED, payload)
    for payload in (b"", bytes(5), bytes(7)):
        supervisor.say(kinds.TIME, payload)
    supervisor.step()
    uplink.step(NOW)
    assert box.in_state(HELD) == before
    assert uplink.counts["skipped"] == 7


def test_a_delivered_object_goes_again_when_a_base_asks_that_has_it_no_more(box: Outbox) -> None:
    box.mark([], [(1, CROP), (1, ALERT)])
    assert box.want(1, CROP)
    assert box.want(1, FRAME)
    assert box.want(1, FRAME), "asked for twice is no error"
    assert [(n, r) for _, n, r in box.in_state(DELIVERED)] == [(1, ALERT)]
    assert {(n, r) for _, n, r in box.in_state(WAITING)} >= {(1, CROP), (1, FRAME)}


def test_the_supervisors_word_reaches_the_stamp(box: Outbox, supervisor: PtySupervisor, tmp_path: Path) -> None:
    times = Times(None)
    uplink = Uplink(supervisor.port, box, bytes(BACKEND.verify_key), clock=times.clock)
    (tmp_path / "shown").mkdir()
    write_picture(tmp_path / "shown" / "cat.png", CAT)
    camera = open_replay(str(tmp_path / "shown"), loop=False, max_megapixels=1, uncertainty_ms=None)
    uplink.step(NOW)
    supervisor.say(kinds.TIME, encode_time(NOW + HOUR_MS, 500))
    supervisor.say(kinds.TIME, encode_time(NOW + 9 * HOUR_MS, 0)[:-1] + b"\xff")  # of unknown uncertainty
    supervisor.say(kinds.WAKE, struct.pack(">IB", 1, 0))
    supervisor.step()
    (trigger,) = uplink.step(NOW)
    burst = camera.frames(trigger, 0)
    assert isinstance(burst, Burst)
    (frame,) = times.clock.stamp(burst).frames
    assert frame.taken_ms == NOW + HOUR_MS
    assert frame.uncertainty_ms is not None
    assert 500 < frame.uncertainty_ms < 520
