"""From the bus into custody: order, repeats, conflicts, garbage, a full disk."""

import errno
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.base.parts import EPOCH, NOW, alert, deliver, envelope, sighting
from trapbase import store as store_module
from trapbase.ingest import RETRY_MS, SUBSCRIPTIONS, Ingest
from trapbase.intake.reading import MAX_RUNG_BYTES
from trapbase.store import Store
from trapbase.store_rows import INLINE_BYTES
from trapkit import topics
from trapkit.topics import Message
from trapsim.memorybus import MemoryBroker, MemoryBus
from trapwire.objects import ALERT, CROP, FULL, RECEIPT, ObjectKey, unpack_keys


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = MemoryBroker()
        self.gateway = self.broker.connect("gateway", (topics.every(topics.ACK),))
        self.bus = self.broker.connect("ingest", SUBSCRIPTIONS)
        self.store = Store(folder)
        self.ingest = Ingest(self.bus, self.store)

    def step(self, now_ms: int = 0) -> bool:
        return self.ingest.step(now_ms, NOW)

    def acks(self) -> list[ObjectKey]:
        return [key for m in self.gateway.take(100) for key in unpack_keys(m.payload)]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        db = sqlite3.connect(self.folder / "base.sqlite3")
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def counter(self, name: str) -> int:
        return int(self.rows(f"SELECT value FROM counters WHERE name = '{name}'")[0][0])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "base")
    yield world
    world.store.close()


def test_an_alert_and_its_crop_are_kept(world: World) -> None:
    pair = sighting(1, 5)
    deliver(world.broker, *pair)
    assert world.step()
    assert not world.step()
    assert world.rows("SELECT trap, epoch, number, rung, size, state, rssi_dbm, snr_db, base FROM objects") == [
        (1, EPOCH, 5, 0, 14, "stored", -97, 6.25, "north"),
        (1, EPOCH, 5, 1, len(pair[1].body), "stored", -97, 6.25, "north"),
    ]
    assert world.rows("SELECT trap, number, time_ms, uncertainty_ms, species, confidence FROM events") == [
        (1, 5, NOW, 208, 1, 230)
    ]
    assert world.rows("SELECT body FROM objects WHERE rung = 1") == [(pair[1].body,)]
    assert world.acks() == [e.key for e in pair]


@pytest.mark.parametrize("size", [1, INLINE_BYTES, INLINE_BYTES + 1])
def test_what_is_small_lies_in_its_row_and_what_is_large_in_a_file(world: World, size: int) -> None:
    crop = envelope(1, 1, CROP, b"x" * size)
    deliver(world.broker, crop)
    world.step()
    ((body,),) = world.rows("SELECT body FROM objects")
    assert body == (crop.body if size <= INLINE_BYTES else None)
    (o,) = world.store.all_objects([1], 9)
    assert (o.body, world.store.read(o)) == (None, crop.body)
    assert len(list((world.folder / "media").glob("??/*"))) == (size > INLINE_BYTES)


def test_bytes_that_the_disk_has_changed_are_not_handed_out(world: World) -> None:
    deliver(world.broker, envelope(1, 1, CROP, b"a sealed crop"))
    world.step()
    with closing(sqlite3.connect(world.folder / "base.sqlite3")) as db:
        db.execute("UPDATE objects SET body = x'00'")
        db.commit()
    (o,) = world.store.all_objects([1], 9)
    assert world.store.read(o) is None


def test_nothing_is_acknowledged_before_the_commit(tmp_path: Path) -> None:
    """Both acknowledgements, to the broker and on the topic, look at the database from outside."""
    seen: list[tuple[str, int]] = []

    def stored() -> int:
        db = sqlite3.connect(tmp_path / "base.sqlite3")
        try:
            return int(db.execute("SELECT count(*) FROM objects").fetchone()[0])
        finally:
            db.close()

    class Watching(MemoryBus):
        def take(self, limit: int) -> list[Message]:
            messages = super().take(limit)
            for message in messages:
                message.acknowledge = lambda: seen.append(("broker", stored()))
            return messages

        def publish(self, topic: str, payload: bytes, properties: dict[str, str] | None = None) -> bool:
            seen.append(("topic", stored()))
            return super().publish(topic, payload, properties)

    broker = MemoryBroker()
    plain = broker.connect("ingest", SUBSCRIPTIONS)
    deliver(broker, *sighting(1, 1))
    plain.__class__ = Watching
    store = Store(tmp_path)
    Ingest(plain, store).step(0, NOW)
    store.close()
    assert seen == [("broker", 2), ("broker", 2), ("topic", 2)]


def test_a_repeat_is_acknowledged_again_and_counted(world: World) -> None:
    pair = sighting(1, 1)
    deliver(world.broker, *pair, pair[1])
    world.step()
    deliver(world.broker, *pair)
    world.step()
    assert world.rows("SELECT count(*) FROM objects") == [(2,)]
    assert world.counter("repeats") == 3
    assert world.acks() == [pair[0].key, pair[1].key, pair[0].key, pair[1].key]


@pytest.mark.parametrize("left", [None, b"", b"x", b"x" * (len(b"a sealed crop") + INLINE_BYTES)])
def test_a_repeat_whose_file_is_gone_or_damaged_is_written_again(world: World, left: bytes | None) -> None:
    crop = envelope(1, 1, CROP, b"a sealed crop" + bytes(INLINE_BYTES))
    deliver(world.broker, crop)
    world.step()
    digest = hashlib.sha256(crop.body).digest()
    path = world.store.media.path(digest)
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    deliver(world.broker, crop)
    world.step()
    assert world.acks() == [crop.key, crop.key]
    assert world.store.media.read(digest) == crop.body


@pytest.mark.parametrize("rung", [ALERT, CROP])
@pytest.mark.parametrize("together", [True, False])
def test_other_bytes_under_the_same_key_are_refused_and_kept_aside(world: World, rung: int, together: bool) -> None:
    first, second = envelope(1, 1, rung, alert(NOW)), envelope(1, 1, rung, alert(NOW + 1))
    deliver(world.broker, first)
    if not together:
        world.step()
    deliver(world.broker, second)
    world.step()
    assert world.acks() == [first.key, second.key][: 1 if together else 2], "one key, kept twice"
    assert world.counter("conflicts") == 1
    assert len(world.rows("SELECT * FROM objects")) == 1
    ((digest, body),) = world.rows("SELECT sha256, body FROM conflicts")
    assert (body or world.store.media.read(digest)) == second.body
    deliver(world.broker, second)
    world.step()
    assert len(world.rows("SELECT * FROM conflicts")) == 1
    assert world.counter("conflicts") == 2
    ((kept,),) = world.rows("SELECT sha256 FROM objects")
    assert kept != digest
    assert world.acks() == [second.key], "kept aside, it need not come a third time"


def test_conflicts_cannot_fill_the_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_CONFLICTS", 3)
    bodies = [envelope(1, 1, CROP, b"body %d" % i + bytes(INLINE_BYTES)) for i in range(8)]
    acknowledged = []
    for body in bodies:
        deliver(world.broker, body)
        world.step()
        acknowledged.append(len(world.acks()))
    assert acknowledged == [1, 1, 1, 1, 0, 0, 0, 0], "what found no room aside is not acknowledged"
    assert len(world.rows("SELECT * FROM conflicts")) == 3
    assert world.counter("conflicts") == 7
    assert len(list((world.folder / "media").glob("??/*"))) == 4
    deliver(world.broker, bodies[1])
    world.step()
    assert len(world.acks()) == 1, "it has its room already"


def test_one_conflict_takes_one_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_CONFLICTS", 2)
    first, second, third = (envelope(1, 1, CROP, b"body %d" % i) for i in range(3))
    deliver(world.broker, first, second, second, third)
    world.step()
    assert len(world.rows("SELECT * FROM conflicts")) == 2


def test_a_new_database_does_not_count_receipts_as_the_old_one_did(tmp_path: Path) -> None:
    """Traps still hold the numbers of the base that they knew before; on the air a number has 24 bits."""
    starts = []
    for name in "abcd":
        Store(tmp_path / name).close()
        with closing(sqlite3.connect(tmp_path / name / "base.sqlite3")) as db:
            starts += db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'receipts'").fetchone()
            row = "INSERT INTO receipts (batch_id, trap, epoch, body, stored_ms) VALUES (?, 1, 1, x'00', 0)"
            db.execute(row, ("first",))
            assert db.execute("SELECT id FROM receipts").fetchall() == [(starts[-1] + 1,)]
            db.execute("UPDATE sqlite_sequence SET seq = 0xffffff")
            with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
                db.execute(row, ("last",))
    assert len(set(starts)) == 4
    assert all(0 <= start < 8_000_000 for start in starts)


def test_a_crop_may_come_before_its_alert(world: World) -> None:
    pair = sighting(1, 1)
    deliver(world.broker, pair[1])
    world.step()
    assert world.rows("SELECT * FROM events") == []
    deliver(world.broker, pair[0])
    world.step()
    assert len(world.rows("SELECT * FROM events")) == 1


def test_an_alert_of_a_newer_trap_is_kept_as_bytes(world: World) -> None:
    newer = envelope(1, 1, ALERT, alert()[:-1] + b"\xc8")
    deliver(world.broker, newer)
    world.step()
    assert world.acks() == [newer.key]
    assert world.rows("SELECT body FROM objects") == [(newer.body,)]
    assert world.rows("SELECT * FROM events") == []


GARBAGE = [
    (topics.up(1, "alert"), b""),
    (topics.up(1, "alert"), b"\x00" * 40),
    (topics.up(2, "alert"), envelope(1, 1, ALERT, alert()).encode()),
    (topics.up(1, "crop"), envelope(1, 1, ALERT, alert()).encode()),
    (topics.up(1, "alert"), envelope(1, 1, ALERT, alert()).encode() + b"x"),
    (topics.up(1, "alert"), envelope(1, 1, ALERT, b"x" * (MAX_RUNG_BYTES[ALERT] + 1)).encode()),
    (topics.up(1, "crop"), envelope(1, 1, CROP, b"x" * (MAX_RUNG_BYTES[CROP] + 1)).encode()),
    (topics.up(1, "full"), envelope(1, 1, FULL, b"").encode()),
    (topics.up(1, "full-2"), envelope(1, 1, FULL, b"x").encode()),
    (topics.up(1, "full-4"), b"x"),
    (topics.up(1, "receipt"), envelope(1, 1, RECEIPT, b"x").encode()),
    ("pugmark/1/up/007/alert", envelope(7, 1, ALERT, alert()).encode()),
    ("pugmark/1/up/1/../alert", b"x"),
    ("", b""),
    (topics.heard(1), b"{"),
    (topics.heard(1), b"[]"),
    (topics.heard(1), b'{"base": "north", "health": 3}'),
    (topics.heard(1), b'{"base": "\\ud800"}'),
    (topics.heard(1), b'{"base": "\xed\xa0\x80"}'),
    (topics.heard(1), b'{"base": 3}'),
    (topics.heard(1), b'{"base": "a longer name than any base can have"}'),
    (topics.heard(1), b"{}"),
    (topics.heard(1), b"[" * 2000),
    (topics.heard(1), b"\xff" * 10),
    (topics.heard(1), b'{"base": "north", "health": {}' + b" " * 3000 + b"}"),
]


@pytest.mark.parametrize(("topic", "payload"), GARBAGE)
def test_garbage_is_counted_and_acknowledged_away(world: World, topic: str, payload: bytes) -> None:
    world.bus.queue.append(((topic, payload, {}), False))
    assert world.step()
    assert world.bus.open == {}, "the broker need not send it again"
    assert world.counter("garbage") == 1
    assert world.rows("SELECT * FROM objects") == world.rows("SELECT * FROM traps") == []
    assert world.acks() == []


@pytest.mark.parametrize("name", ["\ud800", "<b>", "", "x" * 33])
def test_an_object_whose_base_has_no_proper_name_is_kept(world: World, name: str) -> None:
    message = (topics.up(1, "alert"), envelope(1, 1, ALERT, alert()).encode(), {"base": name})
    world.bus.queue.append((message, False))
    assert world.step()
    assert world.rows("SELECT base FROM objects") == [("",)]


def test_a_health_field_without_a_proper_name_is_left_out(world: World) -> None:
    word = b'{"base": "north", "health": {"\\ud800": 1, "battery": 80}}'
    world.bus.queue.append(((topics.heard(3), word, {}), False))
    assert world.step()
    assert world.rows("SELECT health FROM traps") == [('{"battery": 80}',)]


@pytest.mark.parametrize(
    ("battery", "kept"),
    [(0, True), (100, True), (255, True), (101, False), (254, False), (256, False), (4294967295, False), (-1, False),
     (True, False), (80.0, False)],
)  # fmt: skip
def test_a_battery_is_a_percentage_or_unknown(world: World, battery: object, kept: bool) -> None:
    word = {"base": "north", "health": {"battery": battery, "queued": 4294967295}}
    world.bus.queue.append(((topics.heard(3), json.dumps(word).encode(), {}), False))
    assert world.step()
    ((health,),) = world.rows("SELECT health FROM traps")
    assert json.loads(health) == ({"battery": battery} if kept else {}) | {"queued": 4294967295}


text = st.text(st.characters(), max_size=20)  # lone surrogates too, which JSON can spell
words = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=40), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    topic=st.sampled_from([topics.up(1, "alert"), topics.up(1, "crop"), topics.heard(1), "x"]),
    payload=st.one_of(
        st.binary(max_size=200),
        words.map(lambda w: json.dumps(w).encode()),
        st.fixed_dictionaries({}, optional=dict.fromkeys(("health", "rssi_dbm", "snr_db", "base"), words)).map(
            lambda w: json.dumps(w).encode()
        ),
    ),
    said=st.dictionaries(st.sampled_from(["base", "rssi_dbm", "snr_db", "received_ms"]), st.text(max_size=30)),
)
def test_nothing_from_the_bus_raises(world: World, topic: str, payload: bytes, said: dict[str, str]) -> None:
    world.bus.queue.append(((topic, payload, said), False))
    world.bus.queue.append(((topics.up(1, "crop"), envelope(1, 1, CROP, b"good").encode(), said), False))
    assert world.step()
    assert world.bus.open == {}
    assert world.rows("SELECT count(*) FROM objects WHERE rung = 1") == [(1,)]


def test_the_last_word_of_a_trap(world: World) -> None:
    word = {"base": "north", "rssi_dbm": -90, "snr_db": -3.5, "received_ms": 9e15, "health": {"battery": 80, "x": -1}}
    world.bus.queue.append(((topics.heard(3), json.dumps(word).encode(), {}), False))
    world.step()
    assert world.rows("SELECT * FROM traps") == [(3, NOW, "north", -90, -3.5, '{"battery": 80}')]
    del word["health"]
    world.bus.queue.append(((topics.heard(3), json.dumps(word | {"rssi_dbm": -80}).encode(), {}), False))
    world.step()
    # A frame without a heartbeat tells nothing new of the trap's health.
    assert world.rows("SELECT rssi_dbm, health FROM traps") == [(-80, '{"battery": 80}')]


def test_a_full_disk_holds_the_group_and_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = sighting(1, 1)
    deliver(world.broker, *pair)

    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert not world.step()
    assert "No space left" in world.ingest.last_error
    assert len(world.bus.open) == 2
    assert world.acks() == []
    assert world.rows("SELECT * FROM objects") == []
    assert not world.step(RETRY_MS - 1)
    assert world.step(RETRY_MS)
    assert world.ingest.last_error == ""
    assert world.acks() == [e.key for e in pair]
    assert world.bus.open == {}


def test_a_killed_broker_forgets_and_a_repeat_mends_it(world: World) -> None:
    pair = sighting(1, 1)
    deliver(world.broker, *pair)
    world.broker.drop()
    assert not world.step()
    deliver(world.broker, *pair)
    world.step()
    assert world.acks() == [e.key for e in pair]
