"""The uplink against a supervisor at the other end of a real pty."""

import random
import struct
from pathlib import Path

import pytest
from cam_parts import BACKEND, NOW, PtySupervisor, receipt_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey
from records import SOURCE, kept

from trapcam.outbox import Outbox
from trapcam.states import DELETED, DELIVERED, HELD, STORED, WAITING
from trapcam.status import read_status
from trapcam.trigger import Trigger
from trapcam.uplink import Timing, Uplink
from trapkit.errors import StorageError
from trapwire import serialline as kinds
from trapwire.objects import ALERT, CROP, FRAME, FULL, Envelope, ObjectKey, decode_envelope, pack_keys, unpack_keys

TRAP = 7


class Pair:
    """An uplink and its supervisor, and the time they share."""

    def __init__(self, outbox: Outbox, supervisor: PtySupervisor) -> None:
        self.outbox = outbox
        self.supervisor = supervisor
        self.line = supervisor.port
        self.uplink = self.restart()
        self.now = NOW

    def restart(self) -> Uplink:
        self.uplink = Uplink(self.line, self.outbox, bytes(BACKEND.verify_key), Timing())
        return self.uplink

    def steps(self, count: int = 12, each_ms: int = 20) -> list[Trigger]:
        triggers = []
        for _ in range(count):
            self.now += each_ms
            triggers += self.uplink.step(self.now)
            self.supervisor.step()
        return triggers

    def put(self) -> list[tuple[int, int, int]]:
        """(the outbox's priority, number, rung) of the offers so far, and forget them: on the line 0 is an alarm's."""
        offers = [
            (p[0] - 1, decode_envelope(p[1:]).key.number, decode_envelope(p[1:]).key.rung)
            for k, p in self.supervisor.heard
            if k == kinds.PUT
        ]
        self.supervisor.heard.clear()
        return offers

    def said(self, kind: int) -> list[bytes]:
        return [payload for k, payload in self.supervisor.heard if k == kind]


@pytest.fixture
def pair(outbox: Outbox, supervisor: PtySupervisor) -> Pair:
    outbox.declare_source(SOURCE, None)
    return Pair(outbox, supervisor)


def objects_of(outbox: Outbox, number: int, *rungs: int) -> list[tuple[int, int, bytes]]:
    return [(number, rung, outbox._digest(number, rung) or b"") for rung in rungs]


def test_hello_until_answered(pair: Pair) -> None:
    pair.supervisor.mute = True
    pair.steps(10, each_ms=1000)
    assert len(pair.said(kinds.HELLO)) == 4
    pair.supervisor.mute = False
    pair.steps(20, each_ms=1000)
    assert len(pair.said(kinds.HELLO)) == 5


def test_alerts_first_and_crops_after_them_and_nothing_else(pair: Pair) -> None:
    pair.outbox.commit(kept(0))
    pair.outbox.commit(kept(1))
    pair.steps()
    assert pair.put() == [(0, 1, ALERT), (0, 2, ALERT), (2, 1, CROP), (2, 2, CROP)]
    assert len(pair.outbox.in_state(STORED)) == 4
    assert [rung for _, _, rung in pair.outbox.in_state(HELD)] == [FRAME, FRAME, FULL, FULL]
    pair.supervisor.deliver_all()
    pair.steps()
    assert len(pair.outbox.in_state(DELIVERED)) == 4
    pair.steps(1000)
    assert pair.put() == []


def test_at_most_a_window_without_an_answer_and_again_after_a_while(pair: Pair) -> None:
    pair.supervisor.mute = True
    for position in range(6):
        pair.outbox.commit(kept(position))
    pair.steps(50)
    assert pair.put() == [(0, number, ALERT) for number in range(1, 5)]
    pair.steps(1, each_ms=5000)
    pair.steps(2)
    assert pair.put() == [(0, number, ALERT) for number in range(1, 5)]
    pair.supervisor.mute = False
    pair.steps(2, each_ms=5000)
    pair.steps(50)
    assert pair.outbox.in_state(WAITING) == []


def test_a_full_queue_holds_back_what_is_less_urgent(pair: Pair) -> None:
    pair.outbox.commit(kept(0))
    pair.steps(3)
    pair.supervisor.heard.clear()
    pair.supervisor.full = True
    pair.outbox.mark([], [(1, ALERT), (1, CROP)])
    pair.outbox.commit(kept(1, species=6))
    pair.steps(10)
    assert pair.put() == [(4, 2, ALERT), (6, 2, CROP)]
    pair.outbox.commit(kept(2))  # a wild cat may still find room
    pair.steps(10)
    assert pair.put() == [(0, 3, ALERT), (2, 3, CROP)]
    pair.supervisor.full = False
    pair.steps(10, each_ms=100)
    assert pair.put() == []
    pair.steps(10, each_ms=2000)
    assert pair.outbox.in_state(WAITING) == []


def test_a_restarted_supervisor_is_offered_everything_again(pair: Pair) -> None:
    for position in range(4):
        pair.outbox.commit(kept(position))
    pair.steps(30)
    assert len(pair.outbox.in_state(STORED)) == 8
    pair.supervisor.heard.clear()
    pair.supervisor.queue.clear()  # its flash was lost
    pair.supervisor.say(kinds.HELLO)
    pair.steps(30)
    assert len(pair.supervisor.queue) == 8
    assert sorted(pair.put()) == sorted([(0, n, ALERT) for n in range(1, 5)] + [(2, n, CROP) for n in range(1, 5)])
    pair.steps(500)
    assert pair.put() == []


def test_a_restarted_pi_learns_what_was_delivered_meanwhile(pair: Pair) -> None:
    pair.outbox.commit(kept(0))
    pair.steps()
    pair.supervisor.delivered.update(pair.supervisor.queue)
    pair.supervisor.queue.clear()
    pair.restart()
    pair.steps()
    assert len(pair.outbox.in_state(DELIVERED)) == 2


def test_a_stored_object_whose_question_got_lost_is_asked_after_again(pair: Pair) -> None:
    pair.outbox.commit(kept(0))
    pair.steps()
    pair.restart()
    pair.supervisor.mute = True
    pair.steps(5)
    pair.supervisor.mute = False
    pair.supervisor.queue.clear()
    pair.steps(3, each_ms=5000)
    assert len(pair.supervisor.queue) == 2


def test_an_unplugged_line_is_found_again(pair: Pair, supervisor: PtySupervisor) -> None:
    pair.outbox.commit(kept(0))
    pair.steps()
    supervisor.disconnect()
    for _ in range(5):
        pair.uplink.step(pair.now)
    pair.outbox.commit(kept(1))
    supervisor.connect()
    supervisor.heard.clear()
    pair.steps()
    assert len(pair.said(kinds.HELLO)) == 1
    assert len(pair.outbox.in_state(STORED)) == 4


def test_a_receipt_is_applied_and_taken_once_it_is_durable(pair: Pair) -> None:
    pair.outbox.commit(kept(0))
    pair.steps()
    receipt = receipt_for(TRAP, pair.outbox.epoch, objects_of(pair.outbox, 1, ALERT, CROP, FULL))
    pair.supervisor.bring(receipt)
    pair.supervisor.say(kinds.DOWN, receipt.encode())  # and once more, as the supervisor repeats
    pair.steps()
    assert pair.said(kinds.RECEIPT_TAKEN) == [pack_keys([receipt.key])] * 2
    assert len(pair.outbox.in_state(DELETED)) == 3
    assert (pair.uplink.counts["applied"], pair.uplink.counts["repeated"]) == (1, 1)
    assert pair.supervisor.down == {}


def test_a_refused_receipt_is_taken_too_so_that_it_does_not_come_for_ever(pair: Pair) -> None:
    pair.outbox.commit(kept(0))
    pair.steps()
    objects = objects_of(pair.outbox, 1, ALERT)
    pair.supervisor.bring(receipt_for(TRAP, pair.outbox.epoch, objects, key=SigningKey.generate()))
    pair.supervisor.bring(receipt_for(TRAP, pair.outbox.epoch ^ 5, objects, number=2))
    pair.steps()
    assert pair.supervisor.down == {}
    assert pair.outbox.in_state(DELETED) == []
    assert pair.uplink.counts["refused"] == 2
    first, second = (unpack_keys(payload) for payload in pair.said(kinds.RECEIPT_TAKEN))
    assert first[1:] == [pair.outbox.key(1, ALERT)], "so the base learns that it was no use"
    assert second[1:] == [], "an outbox of before: no digest would help"


def test_a_disk_that_refuses_takes_no_receipt(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.outbox.commit(kept(0))
    receipt = receipt_for(TRAP, pair.outbox.epoch, objects_of(pair.outbox, 1, ALERT))
    pair.supervisor.bring(receipt)

    def refuse(*args: object) -> None:
        raise StorageError("database: disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(pair.outbox, "apply_receipt", refuse)
        patch.setattr(pair.outbox, "mark", refuse)
        pair.steps()
        assert pair.said(kinds.RECEIPT_TAKEN) == []
        assert len(pair.outbox.in_state(WAITING)) == 2
    pair.supervisor.say(kinds.DOWN, receipt.encode())
    pair.steps(5, each_ms=5000)
    assert pair.said(kinds.RECEIPT_TAKEN) == [pack_keys([receipt.key])]
    assert len(pair.outbox.in_state(STORED)) == 1


def test_status_says_what_waits_for_receipts(pair: Pair) -> None:
    pair.outbox.commit(kept(0))
    pair.steps(3)
    assert pair.said(kinds.STATUS) == [struct.pack(">IIB", 4, 1, 255)]
    pair.steps(10, each_ms=10_000)
    assert len(pair.said(kinds.STATUS)) == 11


def test_wakes_become_triggers(pair: Pair) -> None:
    pair.supervisor.say(kinds.WAKE, struct.pack(">IB", 41, 2))
    pair.supervisor.say(kinds.WAKE, struct.pack(">IB", 42, 0))
    assert [(t.number, t.cause) for t in pair.steps()] == [(41, 2), (42, 0)]


@pytest.mark.parametrize("chunk", [1, 7])
def test_one_byte_at_a_time_is_as_good(pair: Pair, chunk: int) -> None:
    pair.supervisor.chunk = chunk
    pair.outbox.commit(kept(0))
    pair.supervisor.bring(receipt_for(TRAP, pair.outbox.epoch, objects_of(pair.outbox, 1, FRAME, FULL)))
    pair.steps(700, each_ms=2)
    assert (len(pair.outbox.in_state(STORED)), len(pair.outbox.in_state(DELETED))) == (2, 2)
    assert pair.supervisor.down == {}


def test_a_noisy_line_delays_and_loses_nothing(pair: Pair) -> None:
    """Every tenth write is damaged, and noise stands between messages."""
    dice = random.Random(5)
    for position in range(5):
        pair.outbox.commit(kept(position))
    clean = pair.supervisor.raw

    def noisy(data: bytes) -> None:
        damaged = bytearray(data)
        if dice.random() < 0.3:
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        clean(bytes(dice.randrange(256) for _ in range(dice.randrange(6))) + bytes(damaged))

    pair.supervisor.raw = noisy  # type: ignore[method-assign]
    pair.steps(400, each_ms=200)
    assert pair.outbox.in_state(WAITING) == []
    assert len(pair.supervisor.queue) == 10
    assert pair.line.damaged > 3


def test_keys_of_others_and_unknown_messages_are_counted_and_skipped(pair: Pair) -> None:
    pair.outbox.commit(kept(0))
    pair.supervisor.mute = True
    epoch = pair.outbox.epoch
    for key in (
        ObjectKey(TRAP + 1, epoch, 1, ALERT), ObjectKey(TRAP, epoch ^ 1, 1, ALERT)
    ):  # fmt: skip
        pair.supervisor.say(kinds.DELIVERED, pack_keys([key]))
    own = pack_keys([ObjectKey(TRAP, epoch, 1, ALERT)])
    pair.supervisor.say(kinds.STORED, own + own)
    pair.supervisor.say(kinds.STORED, b"short")
    pair.supervisor.say(kinds.WAKE, b"")
    pair.supervisor.say(0x7E, b"what?")
    pair.supervisor.say(kinds.DOWN, b"not an envelope")
    pair.steps()
    assert pair.uplink.counts["skipped"] == 7
    assert len(pair.outbox.in_state(WAITING)) == 2
    pair.supervisor.say(kinds.DELIVERED, own)
    pair.supervisor.say(kinds.DOWN, Envelope(ObjectKey(TRAP, epoch, 1, CROP), b"no receipt").encode())
    pair.steps()
    assert pair.outbox.in_state(DELIVERED) == [(0, 1, ALERT)]
    assert pair.uplink.counts["refused"] == 1


class Script:
    """A line that says what it was given and swallows what it hears."""

    is_open = True

    def __init__(self, messages: list[tuple[int, bytes]]) -> None:
        self.messages = messages

    def read(self) -> list[tuple[int, bytes]]:
        messages, self.messages = self.messages, []
        return messages

    def send(self, kind: int, payload: bytes) -> bool:
        return True


MESSAGE = st.tuples(st.integers(0, 255) | st.sampled_from([0x10, 0x11, 0x12, 0x13, 0x14, 0x15]), st.binary(max_size=80))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(MESSAGE, max_size=5))
def test_no_message_crashes_the_uplink_or_deletes_anything(outbox: Outbox, messages: list[tuple[int, bytes]]) -> None:
    uplink = Uplink(Script(messages), outbox, bytes(BACKEND.verify_key))
    outbox.declare_source(SOURCE, None)
    outbox.commit(kept(0))
    uplink.step(NOW)
    assert outbox.in_state(DELETED) == []


def test_a_clock_set_back_does_not_silence_the_uplink(pair: Pair) -> None:
    pair.supervisor.mute = True
    pair.outbox.commit(kept(0))
    pair.steps(3)
    pair.put()
    pair.now -= 10**9
    pair.steps(3)
    assert pair.put() == [(0, 1, ALERT), (2, 1, CROP)]


def test_counts_reach_the_status(pair: Pair, tmp_path: Path) -> None:
    pair.outbox.commit(kept(0))
    pair.steps()
    objects = read_status(tmp_path / "data", TRAP)["objects"]
    assert objects == {"alert": {"stored": 1}, "crop": {"stored": 1}, "frame": {"held": 1}, "full": {"held": 1}}
