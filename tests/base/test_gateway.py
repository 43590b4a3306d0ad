"""The gateway with the real base link, a line and a bus in memory: publish, commit, acknowledge, receipts down."""

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.base.parts import EPOCH, NOW, alert, envelope
from tests.wire.keys import base_keys, link_key, trap_key
from trapbase import gateway as gateway_module
from trapbase.gateway import GIVE_UP_MS, SUBSCRIPTIONS, Gateway
from trapbase.radio.cells import Radio
from trapkit import topics
from trapkit.aes import AesCcm
from trapsim.memorybus import MemoryBroker
from trapwire.baselink import BaseLink
from trapwire.fragments import cut
from trapwire.frame import (
    ACK,
    ALERT,
    FRAGMENT,
    HEARTBEAT,
    KINDS,
    Counter,
    Frame,
    decode_frame,
    peek_frame,
)
from trapwire.linkkeys import DOWN as DOWN_WAY
from trapwire.linkkeys import direction_key
from trapwire.objects import ALERT as ALERT_RUNG
from trapwire.objects import CROP, PACK, RECEIPT, Envelope, ObjectKey, decode_envelope, pack_keys, unpack_keys
from trapwire.payloads import Heartbeat, decode_ack, encode_ack, encode_alert_payload
from trapwire.serialline import HEARD, TRANSMIT

FRAME_BYTES = 197


class Line:
    """A modem: what is put into `heard` is read, what is sent lies in `sent`."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes]] = []
        self.sent: list[Frame] = []
        self.gone = False

    def read(self) -> list[tuple[int, bytes]]:
        heard, self.heard = self.heard, []
        return heard

    def send(self, kind: int, payload: bytes) -> bool:
        assert kind == TRANSMIT
        if not self.gone:
            trap = peek_frame(payload).address
            self.sent.append(decode_frame(payload, AesCcm(direction_key(link_key(trap), DOWN_WAY, trap))))
        return not self.gone


class World:
    def __init__(self) -> None:
        self.broker = MemoryBroker()
        up = (topics.every(topics.UP), topics.every(topics.HEARD), topics.every(topics.DOWNACK))
        self.others = self.broker.connect("others", up)
        self.line = Line()
        self.counter = 0
        self.gateway = self.build()

    def build(self) -> Gateway:
        link = BaseLink(base_keys([1, 2]), FRAME_BYTES, Counter(0, lambda end: None))
        self.bus = self.broker.connect("gateway", SUBSCRIPTIONS)
        return Gateway(Radio.single(link, self.line), self.bus, base="north", republish_ms=1000)

    def hear(self, kind: int, payload: bytes, *, poll: bool = True, trap: int = 1) -> None:
        self.counter += 1
        frame = trap_key(trap).seal(kind, poll, self.counter, payload)
        self.line.heard.append((HEARD, struct.pack(">hb", -97, 25) + frame))

    def hear_alert(self, e: Envelope) -> None:
        self.hear(ALERT, encode_alert_payload(e.key, e.body), trap=e.key.trap)

    def step(self, now_ms: int) -> None:
        for _ in range(3):
            self.gateway.step(now_ms, NOW + now_ms)

    def published(self, kind: str) -> list[tuple[str, bytes, dict[str, str]]]:
        found = []
        for m in self.others.take(5000):
            m.acknowledge()
            found.append((m.topic, m.payload, m.properties))
        return [f for f in found if f"/{kind}/" in f[0]]

    def acked(self) -> list[ObjectKey]:
        return [k for f in self.line.sent if f.kind == ACK for k in decode_ack(f.address, f.payload)]

    def commit(self, *keys: ObjectKey) -> None:
        self.broker.deliver(topics.ack(keys[0].trap), pack_keys(list(keys)), {})


@pytest.fixture
def world() -> World:
    return World()


ONE = envelope(1, 5, ALERT_RUNG, alert())


def test_an_alert_is_published_and_acknowledged_after_the_commit_only(world: World) -> None:
    world.hear_alert(ONE)
    world.step(0)
    assert world.published(topics.UP) == [
        (topics.up(1, "alert"), ONE.encode(),
         {"base": "north", "rssi_dbm": "-97", "snr_db": "6.25", "received_ms": str(NOW)})
    ]  # fmt: skip
    world.step(200)
    assert world.acked() == []
    world.commit(ONE.key)
    world.hear_alert(ONE)
    world.step(400)
    world.step(900)
    assert set(world.acked()) == {ONE.key}
    assert world.published(topics.UP) == []


def test_what_is_not_committed_is_published_again(world: World) -> None:
    world.hear_alert(ONE)
    for now in range(0, 3500, 100):
        world.step(now)
    assert len(world.published(topics.UP)) == 4
    world.commit(ONE.key)
    for now in range(3500, 6000, 100):
        world.step(now)
    assert world.published(topics.UP) == []


def test_a_crop_in_fragments(world: World) -> None:
    crop = envelope(1, 5, CROP, bytes(range(256)) * 6)
    pieces = cut(crop.encode(), FRAME_BYTES)
    for i, piece in enumerate(pieces):
        world.hear(FRAGMENT, piece, poll=i == len(pieces) - 1)
    world.step(0)
    ((topic, payload, _),) = world.published(topics.UP)
    assert (topic, payload) == (topics.up(1, "crop"), crop.encode())


def test_while_the_bus_is_away_nothing_is_lost_or_acknowledged(world: World) -> None:
    world.bus.connected = False
    world.hear_alert(ONE)
    world.step(0)
    world.step(5000)
    assert world.published(topics.UP) == []
    world.bus.connected = True
    world.step(6000)
    assert len(world.published(topics.UP)) == 1


def test_an_object_that_ingest_refuses_is_let_go_and_may_come_again(world: World) -> None:
    world.hear_alert(ONE)
    world.step(0)
    for now in range(0, GIVE_UP_MS + 2000, 1000):
        world.step(now)
    assert world.gateway.counters["given_up"] == 1
    world.published(topics.UP)
    world.hear_alert(ONE)
    world.step(GIVE_UP_MS + 3000)
    assert len(world.published(topics.UP)) == 1


def test_what_waits_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "MAX_PENDING", 3)
    for number in range(5):
        world.hear_alert(envelope(1, number, ALERT_RUNG, alert()))
    world.step(0)
    assert len(world.published(topics.UP)) == 3
    assert world.gateway.counters["overflow"] == 2
    # The trap sends them again, when there is room.
    world.commit(*[ObjectKey(1, EPOCH, n, ALERT_RUNG) for n in range(3)])
    world.step(100)
    world.hear_alert(envelope(1, 4, ALERT_RUNG, alert()))
    world.step(200)
    assert len(world.published(topics.UP)) == 1


DOWN = Envelope(ObjectKey(1, EPOCH, 3, RECEIPT), b"a receipt" * 9)


def test_a_receipt_goes_down_until_the_trap_has_it(world: World) -> None:
    world.broker.deliver(topics.down(1), DOWN.encode(), {})
    world.step(0)
    assert world.line.sent == [], "the base only answers"
    world.hear(HEARTBEAT, Heartbeat({}).encode())
    world.step(100)
    world.step(400)
    assert [f.kind for f in world.line.sent] == [FRAGMENT]
    world.hear(ACK, encode_ack([DOWN.key]))
    world.step(1000)
    ((topic, payload, _),) = world.published(topics.DOWNACK)
    assert (topic, unpack_keys(payload)) == (topics.downack(1), [DOWN.key])
    # The forwarder's repeat crossed it: answered from memory, without the radio.
    sent = len(world.line.sent)
    world.broker.deliver(topics.down(1), DOWN.encode(), {})
    world.step(2000)
    world.hear(HEARTBEAT, Heartbeat({}).encode())
    world.step(2100)
    world.step(2500)
    assert len(world.published(topics.DOWNACK)) == 1
    assert all(f.kind != FRAGMENT for f in world.line.sent[sent:])


@pytest.mark.parametrize("rung", [RECEIPT, PACK])
def test_what_a_trap_took_by_its_own_network_costs_no_air(world: World, rung: int) -> None:
    down = Envelope(ObjectKey(1, EPOCH, 3, rung), b"some bytes" * 9)
    world.broker.deliver(topics.down(1), down.encode(), {})
    world.step(0)
    world.broker.deliver(topics.downack(1), pack_keys([down.key]), {})
    world.step(50)
    world.broker.deliver(topics.down(1), down.encode(), {})  # the forwarder's repeat crossed it
    world.hear(HEARTBEAT, Heartbeat({}).encode())
    for now in (100, 400, 1000):
        world.step(now)
    assert [f.kind for f in world.line.sent] == [ACK]


def test_a_downack_of_another_trap_is_garbage(world: World) -> None:
    world.broker.deliver(topics.down(1), DOWN.encode(), {})
    world.broker.deliver(topics.downack(2), pack_keys([DOWN.key]), {})
    world.step(0)
    world.hear(HEARTBEAT, Heartbeat({}).encode())
    world.step(100)
    world.step(400)
    assert world.gateway.counters["garbage"] == 1
    assert [f.kind for f in world.line.sent] == [FRAGMENT]


def test_a_downack_waits_for_the_bus(world: World) -> None:
    world.bus.connected = False
    world.hear(ACK, encode_ack([DOWN.key]))
    world.step(0)
    assert world.published(topics.DOWNACK) == []
    world.bus.connected = True
    world.step(10)
    assert len(world.published(topics.DOWNACK)) == 1


def test_a_heartbeat_is_told(world: World) -> None:
    world.hear(HEARTBEAT, Heartbeat({"battery": 80, "queued": 3}).encode(), trap=2)
    world.step(0)
    ((topic, payload, _),) = world.published(topics.HEARD)
    word = json.loads(payload)
    assert topic == topics.heard(2)
    assert word["health"]["battery"] == 80
    assert (word["rssi_dbm"], word["snr_db"], word["received_ms"], word["base"]) == (-97, 6.25, NOW, "north")


def test_the_modem_may_be_gone(world: World) -> None:
    world.line.gone = True
    world.hear_alert(ONE)
    world.step(0)
    world.commit(ONE.key)
    world.step(500)
    assert world.gateway._radio.counters["unsent"] > 0


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (topics.ack(1), b"x"),
        (topics.ack(2), pack_keys([ONE.key])),
        (topics.down(1), b""),
        (topics.down(2), DOWN.encode()),
        (topics.down(1), ONE.encode()),
        (topics.down(1), Envelope(DOWN.key, b"x" * 5000).encode()),
        (topics.up(1, "alert"), ONE.encode()),
        ("", b""),
    ],
)
def test_garbage_from_the_bus_is_counted(world: World, topic: str, payload: bytes) -> None:
    world.bus.queue.append(((topic, payload, {}), False))
    world.step(0)
    assert world.gateway.counters["garbage"] == 1
    assert world.bus.open == {}
    assert world.line.sent == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([HEARD, TRANSMIT, 0, 255]), st.binary(max_size=60)), max_size=8), st.data())
def test_nothing_from_the_modem_raises(heard: list[tuple[int, bytes]], data: st.DataObject) -> None:
    world = World()
    world.line.heard = heard
    for kind in KINDS:
        world.hear(kind, data.draw(st.binary(max_size=40)), trap=data.draw(st.sampled_from([1, 2, 3])))
    world.step(0)
    world.step(1000)


def test_a_restart_forgets_and_the_trap_sends_again(world: World) -> None:
    world.hear_alert(ONE)
    world.step(0)
    assert len(world.published(topics.UP)) == 1
    world.gateway = world.build()
    world.step(5000)
    assert world.published(topics.UP) == []
    world.hear_alert(ONE)
    world.step(6000)
    (again,) = world.published(topics.UP)
    assert decode_envelope(again[1]).key == ONE.key
