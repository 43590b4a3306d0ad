"""A modem's line and a bus that bring whatever they like: gateway and ingest stand, count it, and then serve a trap.

The line is a real pty; the bus is one in memory.
"""

import json
import os
import random
import struct
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.base.parts import EPOCH, NOW, alert, envelope
from tests.support import wait_for
from tests.wire.keys import base_keys, trap_key
from trapbase import ingest
from trapbase.gateway import GIVE_UP_MS, MAX_PENDING, SUBSCRIPTIONS, Gateway
from trapbase.ingest import Ingest
from trapbase.modem import ModemLine
from trapbase.radio.cells import MAX_COPIES, Radio
from trapbase.request_store import RequestStore
from trapbase.requests import Requests
from trapbase.store import Store
from trapkit import topics
from trapkit.serialport import SerialPort
from trapsim.memorybus import MemoryBroker
from trapwire.baselink import BaseLink
from trapwire.basewords import BaseWords
from trapwire.frame import ALERT, Counter
from trapwire.objects import ALERT as ALERT_RUNG
from trapwire.objects import CROP, RECEIPT, RUNG_NAMES, Envelope, ObjectKey, pack_keys
from trapwire.payloads import encode_alert_payload
from trapwire.serialline import HEARD, HELLO, MAX_PAYLOAD_BYTES, SENT, encode_message

MESSAGES = 10_000
KEY = ObjectKey(1, EPOCH, 5, ALERT_RUNG)


class Base:
    """Gateway on a pty, ingest on a store; the far end of the line is `far`."""

    def __init__(self, folder: Path) -> None:
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        os.set_blocking(self.far, False)
        self.port = SerialPort(os.ttyname(self._near))
        self.port.open()  # what came before is thrown away
        self.modem = ModemLine(self.port, 9)
        words = BaseWords(9)
        link = BaseLink(base_keys([1, 2]), 197, Counter(0, lambda end: None), words=words)
        self.broker = MemoryBroker()
        self.radio = Radio.single(link, self.modem, words)
        self.bus = self.broker.connect("gateway", SUBSCRIPTIONS)
        self.gateway = Gateway(self.radio, self.bus)
        self.store = Store(folder)
        self.requests = RequestStore(folder)
        self.ingest_bus = self.broker.connect("ingest", ingest.SUBSCRIPTIONS)
        self.ingest = Ingest(self.ingest_bus, self.store, requests=self.requests)
        self.asked = Requests(self.ingest_bus, self.requests)
        self.now = self._number = 0

    def step(self, ms: int = 10) -> None:
        self.now += ms
        self.gateway.step(self.now, NOW + self.now)
        self.modem.step(self.now, NOW + self.now)
        self.asked.step(self.now, NOW + self.now)
        while self.ingest.step(self.now, NOW + self.now):
            pass

    def bring(self, data: bytes) -> None:
        """As fast as the line takes it, until all has been read: behind it the modem says a number."""
        self._number += 1
        data += b"\xc0" + encode_message(HELLO, struct.pack(">BIBH", 9, 0, 0, self._number))
        while data:
            try:
                data = data[os.write(self.far, data) :]
            except BlockingIOError:
                self.step()
        wait_for(lambda: self.step() or self.modem.answer.get("dropped") == self._number)

    def serves_a_trap(self, counter: int) -> bool:
        """A trap's alert is committed and acknowledged to it."""
        payload = encode_alert_payload(KEY, alert())
        for number in range(counter, counter + 3):
            frame = trap_key(1).seal(ALERT, True, number, payload)
            self.bring(encode_message(HEARD, struct.pack(">hb", -90, 20) + frame))
            for _ in range(3):
                self.step(200)
        return [w.object.identity for w in self.store.waiting([1])] != [] and self.modem.counts["given"] > 0

    def close(self) -> None:
        self.port.reopen()
        self.requests.close()
        self.store.close()
        os.close(self.far)
        os.close(self._near)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Base]:
    base = Base(tmp_path)
    yield base
    base.close()


@pytest.mark.parametrize(
    "noise",
    [
        random.Random(1).randbytes(300_000),
        b"\xc0" * 100_000,
        b"\xdb" * 100_000,
        b"x" * 500_000,
        encode_message(HEARD, random.Random(2).randbytes(MAX_PAYLOAD_BYTES)) * 20,
        encode_message(HEARD, b"") * 2000 + encode_message(SENT, b"") * 2000,
        b"".join(encode_message(HEARD, bytes(3) + random.Random(n).randbytes(255)) for n in range(1000)),
    ],
    ids=["noise", "ends", "escapes", "never ends", "longest", "empty", "frames of nobody"],
)
def test_a_line_may_bring_anything_at_full_speed(base: Base, noise: bytes) -> None:
    base.bring(noise)
    assert len(base.port._decoder._buffer) <= MAX_PAYLOAD_BYTES + 6
    assert len(base.radio._copies) <= MAX_COPIES
    assert base.serves_a_trap(1)
    assert base.radio.words.modem_of == {1: 0}


def message(draw: random.Random) -> tuple[str, bytes]:
    """One of ours, most of them spoilt: other bytes, another topic, another's name, too long, too short."""
    trap, number = draw.choice([1, 2, 9, 65535]), draw.randrange(20)
    key = ObjectKey(trap, EPOCH, number, draw.randrange(9))
    kind = draw.choice(topics.KINDS)
    rung = RUNG_NAMES.get(draw.randrange(9), "x")
    topic = f"{topics.ROOT}/{kind}/{trap}" + (f"/{rung}" if kind in topics.WITH_RUNG else "")
    said = {"command": draw.choice([1, -1, 1 << 70, None]), "setting": draw.choice(["sf", 7, None]), "value": 1e308}
    heard = {"base": draw.choice(["north", "\ud800", 7]), "health": {"battery": draw.choice([50, -1, {}])}}
    payload = draw.choice(
        [
            lambda: draw.randbytes(draw.randrange(200)),
            lambda: Envelope(key, draw.randbytes(draw.choice([1, 14, 120]))).encode(),
            lambda: pack_keys([key] * draw.choice([1, 2, 50])),
            lambda: json.dumps(draw.choice([said, heard, [], "x", 1, None])).encode(),
            lambda: b"[" * 5000,
            lambda: bytes(draw.choice([0, 2049, 70_000])),
            lambda: envelope(trap, number, CROP, b"x" * 50).encode(),
            lambda: Envelope(ObjectKey(trap, EPOCH, number, RECEIPT), b"r" * 90).encode(),
        ]
    )()
    if draw.random() < 0.3 and payload:
        at = draw.randrange(len(payload))
        payload = payload[:at] + draw.randbytes(draw.randrange(3)) + payload[at + draw.randrange(2) :]
    if draw.random() < 0.1:
        topic = draw.choice(["", "$SYS/x", topic + "/x", topic.replace(str(trap), "007"), topic[:-1], "\ufeff" * 30])
    return topic, payload


def test_a_bus_may_bring_anything(base: Base) -> None:
    draw = random.Random(9)
    for _ in range(MESSAGES // 500):
        for _ in range(500):
            topic, payload = message(draw)
            for bus in (base.bus, base.ingest_bus):
                bus.queue.append(((topic, payload, {"base": "x" * draw.randrange(40)}), False))
        for _ in range(9):
            base.step(1000)
    while base.bus.queue or base.ingest_bus.queue:
        base.step(1000)
    counters = {r["name"]: r["value"] for r in base.store._db.execute("SELECT name, value FROM counters")}
    assert base.gateway.counters["garbage"] > MESSAGES / 2
    assert counters["garbage"] > MESSAGES / 4
    assert base.bus.open == base.ingest_bus.open == {}, "all was acknowledged away"
    assert base.serves_a_trap(1)


def test_a_broker_that_is_away_for_a_month_costs_nothing(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trap offers an alert once an hour, as one does that gets no answer to it."""
    base.bus.connected = False
    monkeypatch.setattr(base.modem, "step", lambda now_ms, utc_ms: False)  # this one is never silent
    payload = encode_alert_payload(KEY, alert())
    hour_ms, counter = 3_600_000, 0
    for hour in range(30 * 24):
        counter += 1
        frame = trap_key(1).seal(ALERT, True, counter, payload)
        base.bring(encode_message(HEARD, struct.pack(">hb", -90, 20) + frame))
        for _ in range(4):
            base.step(hour_ms // 4)
        assert len(base.gateway._pending) <= 1 <= MAX_PENDING
        os.read(base.far, 65536)
        assert base.now > hour * GIVE_UP_MS
    assert base.store.waiting([1]) == []
    base.bus.connected = True
    assert base.serves_a_trap(counter + 1)
    assert base.gateway.counters["garbage"] == 0
