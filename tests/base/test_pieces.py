"""Pieces outlive the gateway: what had arrived is not sent again, and a damaged memory harms nothing."""

import os
import struct
from pathlib import Path

import pytest

from tests.wire.keys import base_keys, trap_key
from trapbase.gateway import SUBSCRIPTIONS, Gateway
from trapbase.pieces import ANEW_BYTES, PieceMemory
from trapbase.radio.cells import Radio
from trapkit import topics
from trapsim.memorybus import MemoryBroker
from trapwire.baselink import BaseLink
from trapwire.fragments import Cut
from trapwire.frame import ASK, FRAGMENT, HAVE, PIECE, Counter
from trapwire.objects import CROP, Envelope, ObjectKey
from trapwire.payloads import decode_have, encode_ask
from trapwire.serialline import HEARD

FRAME_BYTES = 99
CROP_OF_20 = Envelope(ObjectKey(1, 7, 1, CROP), bytes(range(256)) * 6 + bytes(80)).encode()
WHOLE = Cut(CROP_OF_20, FRAME_BYTES)


class Line:
    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes]] = []
        self.sent: list[bytes] = []

    def read(self) -> list[tuple[int, bytes]]:
        heard, self.heard = self.heard, []
        return heard

    def send(self, kind: int, payload: bytes) -> bool:
        self.sent.append(payload)
        return True


class Base:
    """A gateway that is started again and again on one memory; the trap's counter goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.broker = MemoryBroker()
        self.ingest = self.broker.connect("ingest", (topics.every(topics.UP),))
        self.counter = 0
        self.start()

    def start(self) -> None:
        self.line, self.trap = Line(), trap_key(1)
        self.memory = PieceMemory(self.path)
        self.link = BaseLink(base_keys([1]), FRAME_BYTES, Counter(self.counter + 5000, lambda end: None))
        bus = self.broker.connect("gateway", SUBSCRIPTIONS)
        self.gateway = Gateway(Radio.single(self.link, self.line), bus, memory=self.memory)
        self.gateway.recall(0, 1_763_686_800_000)

    def hear(self, kind: int, payload: bytes, *, poll: bool = False) -> None:
        self.counter += 1
        self.line.heard.append((HEARD, struct.pack(">hb", -97, 25) + self.trap.seal(kind, poll, self.counter, payload)))
        self.gateway.step(1000 * self.counter, 1_763_686_800_000)

    def missing(self) -> list[int]:
        """What the base says when it is asked."""
        self.hear(ASK, encode_ask(WHOLE.transfer, WHOLE.total), poll=True)
        self.gateway.step(1000 * self.counter + 500, 1_763_686_800_000)
        answer = self.trap.open(self.line.sent[-1])
        return decode_have(answer.payload).missing() if answer.kind == HAVE else []

    def objects(self) -> list[bytes]:
        found = []
        for message in self.ingest.take(100):
            message.acknowledge()
            found.append(message.payload)
        return found


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path / "radio-pieces")


def test_a_restart_in_the_middle_of_an_object_asks_only_for_the_rest(base: Base) -> None:
    base.hear(FRAGMENT, WHOLE.fragment(0), poll=True)
    for index in (1, 2, 5, 7):
        base.hear(PIECE, WHOLE.piece(index))
    base.start()
    assert base.missing() == [i for i in range(WHOLE.total) if i not in (0, 1, 2, 5, 7)]
    for index in (3, 4, 6):
        base.hear(PIECE, WHOLE.piece(index))
    base.start()  # again, from a memory that was written anew
    assert base.missing() == [i for i in range(WHOLE.total) if i > 7]
    for index in range(8, WHOLE.total):
        base.hear(PIECE, WHOLE.piece(index))
    assert base.objects() == [CROP_OF_20]


def test_pieces_before_any_count_is_known_are_remembered_too(base: Base) -> None:
    base.hear(ASK, encode_ask(1, 2), poll=True)  # a whole counter
    for index in range(WHOLE.total):
        base.hear(PIECE, WHOLE.piece(index))
    base.start()
    assert base.objects() == []
    assert base.missing() == []
    assert base.objects() == [CROP_OF_20]


def test_an_object_that_was_whole_and_not_committed_is_handed_on_again(base: Base) -> None:
    for index in range(WHOLE.total):
        base.hear(FRAGMENT, WHOLE.fragment(index))
    assert base.objects() == [CROP_OF_20]
    base.start()
    base.gateway.step(1000, 1_763_686_800_000)
    assert base.objects() == [CROP_OF_20]


@pytest.mark.parametrize("how", ["cut", "flipped", "garbage", "long"])
def test_a_damaged_memory_costs_pieces_and_nothing_else(base: Base, how: str) -> None:
    for index in range(6):
        base.hear(FRAGMENT, WHOLE.fragment(index))
    data = base.path.read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    damaged = {"cut": data[:-3], "flipped": bytes(flipped), "garbage": b"\xff" * 4000, "long": data * 5000}[how]
    base.path.write_bytes(damaged)
    base.start()
    missing = set(base.missing())
    assert missing >= set(range(6, WHOLE.total))
    assert len(missing & set(range(6))) == {"cut": 1, "flipped": 3, "garbage": 6, "long": 0}[how]
    for index in sorted(missing):
        base.hear(FRAGMENT, WHOLE.fragment(index))
    assert base.objects() == [CROP_OF_20]
    assert base.path.stat().st_size < ANEW_BYTES


def test_a_disk_that_refuses_is_said_and_stops_nothing(base: Base) -> None:
    base.path.mkdir()
    base.hear(FRAGMENT, WHOLE.fragment(0), poll=True)
    assert str(base.path) in base.memory.trouble
    for index in range(1, WHOLE.total):
        base.hear(FRAGMENT, WHOLE.fragment(index))
    assert base.objects() == [CROP_OF_20]
    base.path.rmdir()
    base.hear(PIECE, WHOLE.piece(0))
    assert base.memory.trouble == ""


def test_half_a_record_on_a_disk_that_fills_up_is_mended_by_the_next(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(3):
        base.hear(FRAGMENT, WHOLE.fragment(index))
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
        base.hear(FRAGMENT, WHOLE.fragment(3))
    base.hear(FRAGMENT, WHOLE.fragment(4))
    base.hear(FRAGMENT, WHOLE.fragment(5))
    base.start()
    assert base.missing() == list(range(6, WHOLE.total))


def test_the_file_does_not_grow_for_ever(base: Base) -> None:
    base.hear(FRAGMENT, WHOLE.fragment(0))
    for _ in range(ANEW_BYTES // 80):
        base.memory.keep((1, FRAGMENT, WHOLE.fragment(0)), base.link)
    assert base.path.stat().st_size <= ANEW_BYTES + 200
    base.memory.keep((1, FRAGMENT, WHOLE.fragment(0)), base.link)
    assert PieceMemory(base.path).read()[0] == (1, FRAGMENT, WHOLE.fragment(0))
