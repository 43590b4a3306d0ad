"""Several modems of one base: what two hear is one frame, answers go by the better one, each spreading factor has its
link. Real links and gateway, lines in memory."""

import json
import struct

import pytest

from tests.base.parts import EPOCH, NOW, alert, envelope
from tests.wire.keys import base_keys, link_key, trap_key
from trapbase.gateway import SUBSCRIPTIONS, Gateway
from trapbase.radio import cells
from trapbase.radio.cells import COPY_MS, GATHER_MS, Cell, Radio
from trapkit import topics
from trapkit.aes import AesCcm
from trapkit.errors import StorageError
from trapsim.memorybus import MemoryBroker
from trapwire.baselink import BaseLink
from trapwire.basewords import BaseWords
from trapwire.errors import FORGED
from trapwire.fragments import cut
from trapwire.frame import ACK, ALERT, FRAGMENT, HEARTBEAT, WORD, Counter, Frame, decode_frame, peek_frame
from trapwire.frame import QUICK as QUICK_KIND
from trapwire.linkkeys import DOWN as DOWN_WAY
from trapwire.linkkeys import direction_key
from trapwire.objects import ALERT as ALERT_RUNG
from trapwire.objects import CROP, RECEIPT, Envelope, ObjectKey, pack_keys
from trapwire.payloads import Heartbeat, encode_ack, encode_alert_payload, encode_quick
from trapwire.serialline import HEARD, TRANSMIT, TUNE
from trapwire.words import TIME, decode_word


class Line:
    """A modem: what it is given lies in `sent`, unless it is `gone`."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes]] = []
        self.sent: list[Frame] = []
        self.tuned: list[tuple[int, ...]] = []
        self.gone = False

    def read(self) -> list[tuple[int, bytes]]:
        heard, self.heard = self.heard, []
        return heard

    def send(self, kind: int, payload: bytes) -> bool:
        if self.gone:
            return False
        if kind == TUNE:
            self.tuned.append(struct.unpack(">BH", payload))
            return True
        assert kind == TRANSMIT
        trap = peek_frame(payload).address
        self.sent.append(decode_frame(payload, AesCcm(direction_key(link_key(trap), DOWN_WAY, trap))))
        return True


def words(line: Line, trap: int = 1) -> list[tuple[int, ...]]:
    """The items of all words that this modem was given for a trap."""
    return [i for f in line.sent if f.kind == WORD and f.address == trap for i in decode_word(f.payload)[0]]


class Base:
    """Modems a and b at SF9, c at SF10."""

    def __init__(self, commit_wait_ms: int = 0) -> None:
        self.broker = MemoryBroker()
        self.others = self.broker.connect("others", (topics.every(topics.UP), topics.every(topics.HEARD)))
        self.a, self.b, self.c = self.lines = [Line(), Line(), Line()]
        self.keys = base_keys([1, 2])
        counter = Counter(0, lambda end: None)
        near = BaseWords(9)
        far = BaseWords(10, other=near)
        link = BaseLink(self.keys, 197, counter, commit_wait_ms, (9, 7), near)
        slow = BaseLink(self.keys, 99, counter, commit_wait_ms, None, far)
        self.links = [link, slow]
        self.radio = Radio(
            [Cell(link=link, words=near, lines=[self.a, self.b]), Cell(link=slow, words=far, lines=[self.c])]
        )
        bus = self.broker.connect("gateway", SUBSCRIPTIONS)
        self.gateway = Gateway(self.radio, bus, base="north", republish_ms=1000, clock=lambda now_ms, utc_ms: 50)
        self.counter = 0
        self.now = 0

    def frame(self, kind: int, payload: bytes, *, poll: bool = True, trap: int = 1) -> bytes:
        self.counter += 1
        return trap_key(trap).seal(kind, poll, self.counter, payload)

    def beat(self, trap: int = 1) -> bytes:
        return self.frame(HEARTBEAT, Heartbeat({"uptime_s": 100 + self.now // 1000}).encode(), trap=trap)

    def hear(self, frame: bytes, **snr_quarters: int) -> None:
        """Each named modem hears the frame at that SNR."""
        for name, snr in snr_quarters.items():
            getattr(self, name).heard.append((HEARD, struct.pack(">hb", -100, snr) + frame))

    def step(self, ms: int = 10) -> None:
        """Until a frame that was heard is answered."""
        for part_ms in (ms, GATHER_MS):
            self.now += part_ms
            self.gateway.step(self.now, NOW + self.now)

    def answers(self) -> list[int]:
        """How many frames each modem was given since the last look."""
        found = [len(line.sent) for line in self.lines]
        for line in self.lines:
            line.sent.clear()
        return found

    def published(self, kind: str) -> list[tuple[bytes, dict[str, str]]]:
        return [(m.payload, m.properties) for m in self.others.take(1000) if f"/{kind}/" in m.topic]


@pytest.fixture
def base() -> Base:
    return Base()


ONE = envelope(1, 5, ALERT_RUNG, alert())


def test_what_two_modems_hear_is_one_frame_and_the_louder_counts(base: Base) -> None:
    base.hear(base.frame(ALERT, encode_alert_payload(ONE.key, ONE.body)), a=-20, b=30)
    base.step()
    ((_, said),) = base.published(topics.UP)
    assert said["snr_db"] == "7.5"
    assert base.gateway.counters["frames"] == 1
    assert base.radio.counters["copies"] == 1
    assert base.links[0].counts == dict.fromkeys(base.links[0].counts, 0), "a copy is no replay"
    assert base.answers() == [0, 1, 0]


def test_an_answer_goes_by_the_modem_that_heard_the_trap_best_and_follows_it(base: Base) -> None:
    for snrs, expected in (({"a": 20, "b": 8}, [1, 0, 0]), ({"a": 3, "b": 8}, [0, 1, 0]), ({"a": -30}, [1, 0, 0])):
        base.hear(base.beat(), **snrs)
        base.step()
        assert base.answers() == expected, snrs


@pytest.mark.parametrize("commit_wait_ms", [0, 150])
def test_a_louder_copy_that_comes_later_still_moves_the_answer(commit_wait_ms: int) -> None:
    base = Base(commit_wait_ms)
    frame = base.frame(ALERT, encode_alert_payload(ONE.key, ONE.body))
    base.hear(frame, a=-20)
    base.gateway.step(1, NOW)
    deadline = base.gateway.deadline()
    assert deadline == 1 + max(GATHER_MS, commit_wait_ms)
    base.hear(frame, b=30)
    base.gateway.step(deadline - 1, NOW)
    assert base.answers() == [0, 0, 0]
    base.gateway.step(deadline, NOW)
    assert base.answers() == [0, 1, 0]


def test_a_cell_of_one_modem_answers_at_once(base: Base) -> None:
    base.hear(base.beat(), c=0)
    base.gateway.step(1, NOW)
    assert base.answers() == [0, 0, 1]


def test_a_frame_that_does_not_open_moves_no_answer(base: Base) -> None:
    base.hear(base.beat(), a=0)
    base.step()
    base.answers()
    forged = bytearray(base.beat())
    forged[-1] ^= 1
    base.hear(bytes(forged), b=40)
    base.hear(bytes(forged), a=-40)
    base.step()
    assert base.answers() == [0, 0, 0]
    assert base.radio.words.modem_of == {1: 0}
    assert base.links[0].counts[FORGED] == 1


def test_a_frame_is_known_again_only_for_a_while_and_in_bounds(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "MAX_COPIES", 4)
    first = base.beat()
    base.hear(first, a=0)
    base.step()
    base.step(COPY_MS)
    base.hear(first, b=0)  # played again by somebody
    base.step()
    assert base.links[0].counts["replayed"] == 1
    for _ in range(20):
        base.hear(base.beat(), a=0)
        base.step()
    assert len(base.radio._copies) == 4


def test_a_modem_that_repeats_everything_costs_nothing(base: Base) -> None:
    frame = base.frame(ALERT, encode_alert_payload(ONE.key, ONE.body))
    for _ in range(50):
        base.hear(frame, a=0)
    base.step()
    assert len(base.published(topics.UP)) == 1
    assert base.radio.counters["copies"] == 49
    assert base.answers() == [1, 0, 0]


def test_while_its_modem_is_gone_another_answers(base: Base) -> None:
    base.hear(base.beat(), a=20, b=-20)
    base.a.gone = True
    base.step()
    assert base.answers() == [0, 1, 0]
    base.b.gone = True
    base.hear(base.beat(), b=0)
    base.step()
    assert base.radio.counters["unsent"] == 1, "the link repeats what was lost so"


def test_a_trap_may_go_from_one_spreading_factor_to_another(base: Base) -> None:
    crop = envelope(1, 6, CROP, bytes(range(256)) * 2)
    pieces = cut(crop.encode(), 197)
    for piece in pieces[:-1]:
        base.hear(base.frame(FRAGMENT, piece, poll=False), a=0)
    base.step()
    slow = cut(crop.encode(), 99)
    for n, piece in enumerate(slow):
        base.hear(base.frame(FRAGMENT, piece, poll=n == len(slow) - 1), c=0)
    base.step()
    assert base.answers()[:2] == [0, 0]
    ((payload, _),) = base.published(topics.UP)
    assert payload == crop.encode()
    base.broker.deliver(topics.ack(1), pack_keys([crop.key]), {})
    base.hear(base.beat(), c=0)
    base.step()
    kinds = [frame.kind for frame in base.c.sent]
    assert ACK in kinds
    heard = [json.loads(payload) for payload, _ in base.published(topics.HEARD)]
    assert heard[-1]["margin_db"] == 15.0, "above the floor of SF10"


def test_what_a_trap_was_told_holds_for_all_spreading_factors(base: Base) -> None:
    base.hear(base.beat(), a=0)
    base.step()
    assert TIME in [item[0] for item in words(base.a)]
    base.hear(base.beat(), c=0)
    base.step()
    assert TIME not in [item[0] for item in words(base.c)]


def test_a_time_counts_only_what_waits_in_its_own_modem(base: Base) -> None:
    """Traps 1 and 2 by two modems at one moment: neither waits for the other. By one modem the second does."""
    moments: list[tuple[int, ...]] = []
    for names in (("a", "b"), ("a", "a")):
        base = Base()
        for trap, name in zip((1, 2), names, strict=True):
            base.hear(base.beat(trap), **{name: 0})
        base.step()
        moments += [item[1:] for line in base.lines for item in words(line, 2) if item[0] == TIME]
    (apart, together) = moments
    assert together[0] - apart[0] > 100, "the first one's airtime, and half of what it may wait"
    assert together[1] > apart[1]


def test_a_receipt_goes_where_the_trap_is_heard_next_and_once(base: Base) -> None:
    receipt = Envelope(ObjectKey(1, EPOCH, 3, RECEIPT), b"a receipt" * 5)
    base.broker.deliver(topics.down(1), receipt.encode(), {})
    base.hear(base.beat(), c=0)
    base.step()
    assert FRAGMENT in [frame.kind for frame in base.c.sent]
    base.hear(base.frame(ACK, encode_ack([receipt.key])), c=0)
    base.step()
    base.answers()
    base.hear(base.beat(), a=0)
    base.step()
    assert FRAGMENT not in [frame.kind for frame in base.a.sent], "the other link has let go of it too"


def test_the_modem_that_allows_a_quick_turn_makes_it(base: Base) -> None:
    for _ in range(4):
        base.hear(base.beat(), b=40)
        base.step()
    base.answers()
    base.hear(base.frame(QUICK_KIND, encode_quick(7, 20)), b=40)
    base.step()
    assert [len(line.tuned) for line in base.lines] == [0, 1, 0]


def test_one_that_is_heard_at_one_spreading_factor_is_not_refused_at_another(base: Base) -> None:
    base.hear(trap_key(1).seal(HEARTBEAT, True, 1, b"")[:-1] + b"x", c=0)
    base.step()
    assert base.radio.refusals(base.now, 1000) == [(1, FORGED)]
    base.counter = 5
    base.hear(base.beat(), a=0)
    base.step()
    assert base.radio.refusals(base.now, 1000) == []


def test_a_counter_that_cannot_be_kept_stops_its_answers_and_is_said(base: Base) -> None:
    def refuse(end: int) -> None:
        raise StorageError("radio-counter: No space left on device")

    base.links[0]._counter = Counter(0, refuse)
    base.hear(base.beat(), a=0)
    base.hear(base.beat(2), c=0)
    base.step()
    assert "no trap is answered: radio-counter" in base.gateway.storage_error
    assert base.answers() == [0, 0, 1]
