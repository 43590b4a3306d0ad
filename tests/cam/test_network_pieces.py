"""Large objects in pieces against a real ingest, in virtual time: cuts and losses cost little."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from cam_parts import NOW
from network_parts import TRAP, Field
from records import SOURCE, kept

from trapbase.ingest import SUBSCRIPTIONS, Ingest
from trapbase.partials import FOLDER
from trapcam.network import REST_MS, Pace
from trapcam.outbox import Outbox
from trapcam.states import DELIVERED
from trapcam.transfer import TRIES, WINDOW_BYTES
from trapkit import topics
from trapkit.pieces import MARK, PIECE_BYTES, PLACE, Have, Mark
from trapsim.memorybus import MemoryBroker
from trapwire.objects import ALERT, CROP, FRAME, FULL

SIZE = 3_000_000
HEAD = MARK.size + PLACE.size
ANSWER_MS = Pace().answer_ms


def body(size: int = SIZE, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


class CountingBroker(MemoryBroker):
    """Counts bytes of pieces. A share of all messages is lost, as when a broker forgets its queue between two saves."""

    def __init__(self, share: float = 0.0) -> None:
        super().__init__()
        self._chance = random.Random(7)
        self.share = share
        self.piece_bytes = 0
        self.questions = 0

    def deliver(self, topic: str, payload: bytes, properties: dict[str, str]) -> None:
        if f"/{topics.PIECE}/" in topic:
            self.piece_bytes += len(payload) - HEAD
            self.questions += len(payload) == HEAD
        if self._chance.random() >= self.share:
            super().deliver(topic, payload, properties)


class Pieces(Field):
    """A field with one sighting whose full frame has 3 MB; `sent`: bytes of it published since it was asked last."""

    def __init__(self, outbox: Outbox, folder: Path) -> None:
        super().__init__(outbox, folder)
        self.use(CountingBroker())

    def use(self, broker: CountingBroker) -> None:
        self.broker = self.counter = broker
        self.restart_base()
        self.restart()

    def begin(self, full: bytes | None = None) -> None:
        self.full = body() if full is None else full
        self.outbox.commit(kept(0, full=self.full))
        self.outbox.mark([], [(1, ALERT), (1, CROP), (1, FRAME)])

    def sent(self) -> int:
        sent, self.counter.piece_bytes = self.counter.piece_bytes, 0
        return sent

    def restart_base(self) -> None:
        self.ingest = Ingest(self.broker.connect("ingest", SUBSCRIPTIONS), self.store)

    def until_delivered(self, each_ms: int = 200) -> None:
        for _ in range(3000):
            self.steps(1, each_ms=each_ms)
            if not self.outbox.undelivered(1):
                break
        (stored,) = (o for o in self.store.all_objects([TRAP], 9) if (o.number, o.rung) == (1, FULL))
        assert self.store.media.read(stored.sha256) == self.full
        assert list((self.store.folder / FOLDER).iterdir()) == []


@pytest.fixture
def pieces(outbox: Outbox, tmp_path: Path) -> Iterator[Pieces]:
    outbox.declare_source(SOURCE, None)
    made = Pieces(outbox, tmp_path / "base")
    yield made
    made.store.close()


def test_a_large_object_goes_in_pieces_each_of_them_once(pieces: Pieces) -> None:
    pieces.begin()
    pieces.until_delivered()
    assert pieces.sent() == SIZE
    assert pieces.network.counts["pieces"] == -(-SIZE // PIECE_BYTES)
    assert pieces.store.all_objects([TRAP], 9)[0].rung == FULL


def test_one_message_is_still_taken_whatever_its_size(pieces: Pieces) -> None:
    """As traps sent it before there were pieces, and as other carriers may."""
    pieces.begin()
    envelope = pieces.outbox.envelope(1, FULL)
    assert envelope is not None
    pieces.broker.deliver(topics.up(TRAP, "full"), envelope.encode(), {})
    pieces.ingest.step(NOW)
    pieces.until_delivered()
    assert pieces.sent() <= WINDOW_BYTES


@pytest.mark.parametrize("seed", range(6))
def test_cuts_and_restarts_at_any_place_cost_a_window_each(pieces: Pieces, seed: int) -> None:
    chance = random.Random(seed)
    pieces.begin()
    faults = 0
    for _ in range(8):
        pieces.steps(chance.randrange(1, 4))
        fault = chance.choice(("cut", "trap", "base", "broker", "link"))
        if fault == "cut":
            pieces.bus.connected = False
            pieces.steps(chance.randrange(1, 100), each_ms=1000)
            pieces.bus.connected = True
        elif fault == "trap":
            pieces.restart()
        elif fault == "base":
            pieces.restart_base()
        elif fault == "broker":
            pieces.broker.drop()
        else:
            pieces.base_listens = False
            pieces.steps(chance.randrange(1, 60), each_ms=1000)
            pieces.base_listens = True
        faults += 1
    pieces.until_delivered()
    assert pieces.sent() - SIZE <= faults * WINDOW_BYTES


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_of_lost_messages_each_costs_a_window_at_most(pieces: Pieces, share: float) -> None:
    pieces.use(CountingBroker(share))
    pieces.begin()
    pieces.until_delivered(each_ms=1000)
    lost = share * 2.5 * SIZE / PIECE_BYTES  # of pieces and answers, with room
    assert pieces.sent() - SIZE <= (2 + lost) * WINDOW_BYTES


def test_after_a_cut_at_nine_tenths_a_tenth_is_sent(pieces: Pieces) -> None:
    pieces.begin()
    while pieces.network.counts["pieces"] * PIECE_BYTES < 0.9 * SIZE:
        pieces.steps(1)
    pieces.bus.connected = False
    pieces.broker.drop()
    pieces.restart()
    pieces.restart_base()
    before = pieces.sent()
    pieces.until_delivered()
    assert before >= 0.9 * SIZE
    assert pieces.sent() <= 0.1 * SIZE + WINDOW_BYTES


def test_while_a_full_frame_is_on_its_way_an_alert_overtakes_it(pieces: Pieces) -> None:
    pieces.begin()
    pieces.steps(5)
    pieces.outbox.commit(kept(1))
    pieces.steps(2)
    assert (0, 2, ALERT) in pieces.outbox.in_state(DELIVERED)
    assert pieces.network.counts["pieces"] * PIECE_BYTES < SIZE / 2
    pieces.until_delivered()


def test_a_base_that_does_not_answer_is_asked_and_not_sent_anything(pieces: Pieces) -> None:
    pieces.base_listens = False
    pieces.begin()
    pieces.steps(2 * TRIES * ANSWER_MS // 1000 + REST_MS // 1000, each_ms=1000)
    assert pieces.sent() == 0
    assert not pieces.network.serving
    pieces.base_listens = True
    pieces.steps(2 * REST_MS // 1000, each_ms=1000)
    pieces.until_delivered()
    assert pieces.network.serving
    assert pieces.sent() == SIZE


def test_what_is_never_answered_rests_and_the_next_has_its_turn(pieces: Pieces) -> None:
    pieces.base_listens = False
    pieces.begin()
    pieces.outbox.commit(kept(1, full=body(200_000, seed=2)))
    pieces.outbox.mark([], [(2, ALERT), (2, CROP), (2, FRAME)])
    pieces.steps(4 * TRIES * ANSWER_MS // 1000, each_ms=1000)
    assert pieces.network.counts["published"] >= 2, "the other one too"
    assert pieces.counter.questions <= 5 * TRIES


def test_bytes_that_do_not_have_the_digest_are_given_up_and_sent_again(pieces: Pieces) -> None:
    """Somebody who may publish for this trap was there before with other bytes under the same name."""
    pieces.begin()
    envelope = pieces.outbox.envelope(1, FULL)
    digest = pieces.outbox._digest(1, FULL)
    assert envelope is not None
    assert digest is not None
    mark = Mark(envelope.key, digest, SIZE)
    forged = mark.encode(0) + bytes(PIECE_BYTES)
    pieces.broker.deliver(topics.piece(TRAP, "full"), forged, {})
    pieces.until_delivered()
    assert pieces.sent() <= 2 * SIZE + PIECE_BYTES


def test_an_answer_about_other_bytes_moves_nothing(pieces: Pieces) -> None:
    pieces.base_listens = False
    pieces.begin()
    pieces.steps(2)
    key = pieces.outbox.key(1, FULL)
    digest = pieces.outbox._digest(1, FULL)
    assert digest is not None
    for mark in (
        Mark(key, bytes(32), SIZE),
        Mark(key, digest, SIZE - 1),
        Mark(pieces.outbox.key(2, FULL), digest, SIZE),
    ):
        pieces.broker.deliver(topics.have(TRAP), Have(mark, 5).encode(), {})
    for payload in (b"", bytes(60), Have(Mark(key, digest, SIZE), 5).encode() + b"x"):
        pieces.broker.deliver(topics.have(TRAP), payload, {})
    pieces.steps(3)
    assert pieces.sent() == 0
    assert pieces.network.counts["skipped"] == 3


def test_an_object_that_another_carrier_delivered_is_not_sent_to_its_end(pieces: Pieces) -> None:
    pieces.begin()
    pieces.steps(5)
    pieces.outbox.mark([], [(1, FULL)])
    pieces.sent()
    pieces.steps(20)
    assert pieces.sent() == 0
    assert pieces.network.serving
