"""Cut, upload, receipts: against the reference back end without sockets, and its failures."""

import errno
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tests.base.parts import EPOCH, NOW, SIGNING, UPLOAD, Base, deliver, sighting
from trapbase.outlet import OutletError
from trapbase.receipts import BadReceiptError, check_receipts
from trapbase.upload import LOOK_AHEAD, pause_ms
from trapkit import topics
from trapkit.errors import StorageError
from trapkit.sealing import signature_is_valid
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapsim.memorybus import MemoryBroker
from trapwire.objects import RECEIPT, ObjectKey, decode_envelope, pack_keys
from trapwire.receipt import decode_receipt, statement


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = MemoryBroker()
        self.outlet = DirectOutlet(BackendStore(folder / "backend", bytes(SIGNING)))
        self.base = Base(folder / "base", self.broker, self.outlet)

    def restart(self, **more: Any) -> None:
        self.base.close()
        self.base = Base(self.folder / "base", self.broker, self.outlet, **more)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        db = sqlite3.connect(self.folder / "base" / "base.sqlite3")
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    @property
    def backend(self) -> BackendStore:
        assert self.outlet.store is not None
        return self.outlet.store

    def states(self) -> list[str]:
        return [s for (s,) in self.rows("SELECT state FROM batches ORDER BY cut_ms")]

    def until(self, state: str) -> int:
        """Step until the one batch is in this state; the time then."""
        for now in range(0, 60_000, 250):
            self.base.step(now)
            if self.states() == [state]:
                return now
        raise AssertionError(f"the batch is {self.states()}")

    def downs(self) -> list[tuple[str, bytes]]:
        return [(m.topic, m.payload) for m in self.base.gateway_bus.take(100) if "/down/" in m.topic]

    def close(self) -> None:
        self.base.close()
        self.backend.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def test_a_sighting_goes_all_the_way_and_its_receipt_comes_down(world: World) -> None:
    pair = sighting(1, 1)
    deliver(world.broker, *pair)
    world.base.run(0, 13_000)
    assert world.states() == ["receipted"]
    assert world.rows("SELECT DISTINCT state FROM objects") == [("receipted",)]
    assert world.backend.stats() | {"objects": 2, "duplicated": 0, "batches": 1} == world.backend.stats()
    assert list((world.folder / "base" / "outbox").iterdir()) == [], "what is signed for needs no file"
    topic, payload = world.downs()[0]
    assert topic == topics.down(1)
    envelope = decode_envelope(payload)
    assert envelope.key == ObjectKey(1, EPOCH, 1, RECEIPT)
    receipt = decode_receipt(envelope.body)
    assert receipt.objects == [(1, 0), (1, 1)]
    # The trap rebuilds the statement from its own digests.
    from hashlib import sha256

    own = [(e.key.number, e.key.rung, sha256(e.body).digest()) for e in pair]
    assert signature_is_valid(bytes(SIGNING.verify_key), statement(1, EPOCH, own), receipt.signature)


def test_a_receipt_is_published_until_the_trap_has_it(world: World) -> None:
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 20_000)
    assert len(world.downs()) >= 6, "every second since it came"
    key = ObjectKey(1, EPOCH, 1, RECEIPT)
    for keys in ([ObjectKey(1, EPOCH + 1, 1, RECEIPT)], [key, key]):
        world.base.gateway_bus.publish(topics.downack(1), pack_keys(keys))
        world.base.step(20_000)
    world.downs()
    world.base.run(20_000, 25_000)
    assert world.downs() == []
    assert world.rows("SELECT state FROM receipts") == [("delivered",)]


@pytest.mark.parametrize("payload", [b"", b"x", pack_keys([ObjectKey(2, EPOCH, 1, RECEIPT)]), b"\x00" * 11])
def test_a_forged_downack_changes_nothing(world: World, payload: bytes) -> None:
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 15_000)
    world.base.gateway_bus.publish(topics.downack(1), payload)
    world.base.step(15_000)
    assert world.rows("SELECT state FROM receipts") == [("signed",)]


def test_downacks_outlast_a_full_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 15_000)
    world.base.gateway_bus.publish(topics.downack(1), b"garbage")
    world.base.gateway_bus.publish(topics.downack(1), pack_keys([ObjectKey(1, EPOCH, 1, RECEIPT)]))
    for trap in (1, 2, 3):
        world.base.gateway_bus.publish(topics.downack(trap), pack_keys([ObjectKey(trap, EPOCH, 9, RECEIPT)]))
    real, full = world.base.store.set_delivered, [True]

    def set_delivered(*values: int) -> None:
        if full:
            raise StorageError("database: disk is full")
        real(*values)

    monkeypatch.setattr(world.base.store, "set_delivered", set_delivered)
    world.base.run(15_000, 30_000)
    assert world.base.forward.storage_error == "database: disk is full"
    assert len(world.base.receipts._held) == 4, "what is not in the store is not acknowledged"
    full.clear()
    world.base.run(30_000, 40_000)
    assert world.base.forward.storage_error == ""
    assert not world.base.receipts._held
    assert world.base.receipts.garbage == 1, "counted once, though the group came twice"
    assert world.rows("SELECT state FROM receipts") == [("delivered",)]


def fill_with_uploaded(world: World, count: int) -> None:
    for n in range(count):
        world.base.store.add_batch(f"{n:064x}", 1, [], {}, NOW - 1000)
        world.base.store.set_url(f"{n:064x}", "x")
        world.base.store.set_uploaded(f"{n:064x}", NOW)


def test_a_back_end_that_signs_for_nothing_gets_the_next_batches_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.base.step(0)  # recovery looks for the files of all
    fill_with_uploaded(world, LOOK_AHEAD + 1)
    offset = world.outlet.offset
    monkeypatch.setattr(world.outlet, "offset", lambda url: 1 if url == "x" else offset(url))
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 60_000, 100)
    assert world.states().count("receipted") == 1, "each has its turn, also behind those that nobody signs for"
    assert world.base.receipts.last_error == ""
    world.base.run(60_000, 800_000, 1000)
    assert f"{LOOK_AHEAD + 1} batches are not signed for" in world.base.receipts.last_error
    late = "SELECT count(*) FROM batches WHERE state = 'uploaded' AND last_error LIKE '%not signed 10 minutes%'"
    assert world.rows(late) == [(LOOK_AHEAD + 1,)]


def test_a_stolen_trap_does_not_hold_up_the_receipts_of_others(world: World) -> None:
    for trap in (1, 2):
        for n in range(8 if trap == 1 else 1):
            world.base.store._run("count", 0, "garbage")
            batch = f"{trap:032x}{n:032x}"
            world.base.store.add_batch(batch, 1, [], {}, NOW)
            world.base.store.set_url(batch, "x")
            world.base.store.set_uploaded(batch, NOW)
            world.base.store.add_receipts(batch, [(trap, EPOCH, b"body")], NOW)
    assert [(r.trap) for r in world.base.store.open_receipts(3)] == [1, 2, 1]
    assert len(world.base.store.open_receipts(100)) == 5


def test_two_batches_for_an_alert_and_its_late_crop(world: World) -> None:
    early, late = sighting(1, 1)
    deliver(world.broker, early)
    world.base.run(0, 75_000, 1000)
    assert world.states() == ["receipted"]
    deliver(world.broker, late)
    world.base.run(75_000, 95_000, 1000)
    assert world.states() == ["receipted", "receipted"]
    assert world.backend.stats() | {"objects": 2, "duplicated": 0} == world.backend.stats()


def test_objects_of_a_trap_that_nobody_entered_wait(world: World) -> None:
    deliver(world.broker, *sighting(9, 1))
    world.base.run(0, 90_000, 5000)
    assert world.states() == []
    assert world.rows("SELECT DISTINCT state FROM objects") == [("stored",)]


def test_a_back_end_that_is_down_for_hours(world: World) -> None:
    backend, world.outlet.store = world.outlet.store, None
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 3_600_000, 5000)
    assert world.states() == ["cut"]
    assert world.base.uploader.last_error == "back end: it is down"
    tried = world.rows("SELECT value FROM counters WHERE name = 'upload_failures'")[0][0]
    assert 300 < tried < 600, "every eight seconds at the most, and it never gives up"
    world.outlet.store = backend
    world.base.run(3_600_000, 3_620_000)
    assert world.states() == ["receipted"]


@given(failures=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_pauses_grow_spread_and_end(failures: int, chance: float) -> None:
    pause = pause_ms(failures, UPLOAD, chance)
    longest = min(8000, 1000 * 2 ** min(failures - 1, 10))
    assert longest / 2 <= pause <= longest


class Recorder:
    """An outlet that notes what is sent and may fail before or after the back end has it."""

    def __init__(self, inner: DirectOutlet) -> None:
        self.inner = inner
        self.sent: list[tuple[int, int]] = []
        self.fail: Callable[[str], None] = lambda when: None

    def create(self, batch_id: str, size: int) -> str:
        self.fail("create")
        url = self.inner.create(batch_id, size)
        self.fail("created")
        return url

    def offset(self, url: str) -> int | None:
        self.fail("offset")
        return self.inner.offset(url)

    def send(self, url: str, offset: int, data: bytes) -> int:
        self.fail("send")
        self.sent.append((offset, len(data)))
        reached = self.inner.send(url, offset, data)
        self.fail("sent")
        return reached

    def receipts(self, batch_id: str) -> bytes | None:
        self.fail("receipts")
        return self.inner.receipts(batch_id)


def test_after_a_restart_at_any_piece_at_most_one_is_sent_twice(tmp_path: Path) -> None:
    for kill_after in range(1, 8):
        world = World(tmp_path / str(kill_after))
        recorder = Recorder(world.outlet)
        world.restart()
        world.base.uploader._outlet = world.base.receipts._outlet = recorder
        deliver(world.broker, *sighting(1, 1), *sighting(2, 1))
        now = 0
        while len(recorder.sent) < kill_after and world.states() != ["receipted"]:
            world.base.step(now)
            now += 250
        world.restart()
        world.base.uploader._outlet = world.base.receipts._outlet = recorder
        world.base.run(now, now + 15_000)
        assert world.states() == ["receipted"]
        ((size,),) = world.rows("SELECT size FROM batches")
        offsets = [offset for offset, _ in recorder.sent]
        assert offsets == sorted(set(offsets)), "nothing twice: the back end had said how far it was"
        assert sum(length for _, length in recorder.sent) == size
        assert world.backend.stats()["repeated_batches"] == 0
        world.close()


@pytest.mark.parametrize("when", ["create", "created", "offset", "send", "sent", "receipts"])
@pytest.mark.parametrize("refused", [True, False])
def test_one_failure_anywhere_only_costs_time(world: World, when: str, refused: bool) -> None:
    recorder = Recorder(world.outlet)
    world.base.uploader._outlet = world.base.receipts._outlet = recorder
    left = [1]

    def fail(now: str) -> None:
        if now == when and left:
            left.pop()
            raise OutletError("back end: it stumbled", refused=refused)

    recorder.fail = fail
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 30_000)
    # The address is asked for its offset after a failure or a restart only.
    assert left == ([1] if when == "offset" else [])
    assert world.states() == ["receipted"]
    assert world.backend.stats() | {"objects": 2, "duplicated": 0, "batches": 1} == world.backend.stats()


@pytest.mark.parametrize("lie", [0, 10**9, -5])
def test_a_back_end_that_lies_about_offsets_gets_the_bytes_again(world: World, lie: int) -> None:
    recorder = Recorder(world.outlet)
    world.base.uploader._outlet = recorder
    lies = [lie, lie]
    honest = recorder.inner.send
    recorder.inner.send = lambda url, offset, data: (  # type: ignore[method-assign]
        honest(url, offset, data) if not lies else (honest(url, offset, data), lies.pop())[1]
    )
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 40_000)
    assert world.states() == ["receipted"]
    assert world.backend.stats()["duplicated"] == 0


def test_a_back_end_that_forgets_uploads_gets_them_again(world: World) -> None:
    deliver(world.broker, *sighting(1, 1))
    now = world.until("uploading")
    world.backend._db.execute("DELETE FROM uploads")
    world.base.run(now, now + 20_000)
    assert world.states() == ["receipted"]


def test_a_back_end_that_lost_a_whole_batch_gets_it_again(world: World) -> None:
    deliver(world.broker, *sighting(1, 1))
    recorder = Recorder(world.outlet)

    def fail(when: str) -> None:
        if when == "receipts":
            raise OutletError("back end: busy")

    recorder.fail = fail
    world.base.receipts._outlet = recorder
    now = world.until("uploaded")
    world.base.receipts._outlet = world.outlet
    for table in ("batch_objects", "objects", "batches", "uploads"):
        world.backend._db.execute(f"DELETE FROM {table}")
    world.base.run(now, now + 30_000)
    assert world.states() == ["receipted"]
    assert world.backend.stats()["objects"] == 2


def test_a_file_that_is_gone_or_was_damaged_is_made_again(world: World) -> None:
    deliver(world.broker, *sighting(1, 1))
    backend, world.outlet.store = world.outlet.store, None
    now = world.until("cut")
    world.outlet.store = backend
    (path,) = (world.folder / "base" / "outbox").iterdir()
    whole = path.read_bytes()
    path.unlink()
    world.restart()
    world.base.forward.step(now, NOW + now)
    assert path.read_bytes() == whole, "the same rows always give the same bytes"
    path.write_bytes(whole[:-200] + bytes(200))
    world.base.run(now, now + 40_000)
    assert world.backend.stats()["refused"] >= 1
    assert world.states() == ["receipted"]


def test_an_outbox_that_cannot_be_read_stops_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(world.broker, *sighting(1, 1))
    now = world.until("uploading")
    (path,) = (world.folder / "base" / "outbox").iterdir()
    path.unlink()
    path.mkdir()
    (path.parent / "folder").mkdir()
    (path.parent / "folder.zip").mkdir()
    world.base.step(now)
    assert "outbox" in world.base.uploader.last_error
    world.base.run(now, now + 20_000)
    assert world.states() == ["receipted"]
    deliver(world.broker, *sighting(1, 2))
    opened, failing = Path.open, [True]

    def eio(self: Path, *more: Any, **named: Any) -> Any:
        if failing and self.parent == path.parent:
            failing.pop()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return opened(self, *more, **named)

    monkeypatch.setattr(Path, "open", eio)
    world.base.run(now + 20_000, now + 50_000)
    assert not failing
    assert world.states() == ["receipted", "receipted"]


def test_a_restart_with_folders_in_the_outbox(world: World) -> None:
    backend, world.outlet.store = world.outlet.store, None
    deliver(world.broker, *sighting(1, 1))
    now = world.until("cut")
    (path,) = (world.folder / "base" / "outbox").iterdir()
    path.unlink()
    (path / "full").mkdir(parents=True)
    (path.parent / "stray").mkdir()
    world.outlet.store = backend
    world.restart()
    world.base.run(now, now + 20_000)
    assert world.states() == ["uploading"]
    assert "outbox" in world.base.uploader.last_error
    (path / "full").rmdir()
    world.base.run(now + 20_000, now + 50_000)
    assert world.states() == ["receipted"]


def test_a_receipt_by_a_stranger_is_refused(world: World) -> None:
    world.restart(receipt_key=bytes(SigningKey.generate().verify_key))
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 20_000)
    assert world.states() == ["uploaded"]
    assert world.rows("SELECT count(*) FROM receipts") == [(0,)]
    assert "is not the back end's" in world.rows("SELECT last_error FROM batches")[0][0]
    assert world.rows("SELECT value FROM counters WHERE name = 'bad_receipts'")[0][0] > 1
    world.restart()
    world.base.run(20_000, 25_000)
    assert world.states() == ["receipted"]


def _answer(world: World) -> tuple[str, dict[str, Any], list[Any]]:
    deliver(world.broker, *sighting(1, 1), *sighting(2, 1))
    world.base.run(0, 13_000)
    ((batch_id,),) = world.rows("SELECT batch_id FROM batches")
    answer = world.backend.receipts(batch_id)
    assert answer is not None
    return batch_id, answer, world.base.store.objects_of(batch_id)


def test_a_receipt_must_name_exactly_the_batch(world: World) -> None:
    batch_id, answer, objects = _answer(world)
    key = bytes(SIGNING.verify_key)
    assert len(check_receipts(json.dumps(answer).encode(), batch_id, objects, key)) == 2

    def refused(change: Callable[[dict[str, Any]], None], words: str) -> None:
        changed = json.loads(json.dumps(answer))
        change(changed)
        with pytest.raises(BadReceiptError, match=words):
            check_receipts(json.dumps(changed).encode(), batch_id, objects, key)

    refused(lambda a: a.update(batch_id="0" * 64), "names batch")
    refused(lambda a: a["receipts"].pop(), "2 objects that are not the 4")
    refused(lambda a: a["receipts"].append(a["receipts"][0]), "6 objects")
    refused(lambda a: a["receipts"][0]["objects"].pop(), "signature")
    refused(lambda a: a["receipts"][0].update(trap=3), "signature")
    refused(lambda a: a["receipts"][0].update(trap=True), "whole number")
    refused(lambda a: a["receipts"][0].update(signature="00" * 64), "signature")
    refused(lambda a: a["receipts"][0]["objects"][0].update(sha256="00" * 32), "signature")
    refused(lambda a: a["receipts"][0]["objects"][0].update(sha256="zz" * 32), "digest")
    refused(lambda a: a["receipts"][0]["objects"][0].update(number=1.0), "whole number")


words = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["batch_id", "receipts", "trap", "epoch", "objects", "signature", "number", "rung", "sha256"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=100), words.map(lambda w: json.dumps(w).encode())))
def test_any_other_answer_is_a_bad_receipt(data: bytes) -> None:
    with pytest.raises(BadReceiptError):
        check_receipts(data, "0" * 64, [], bytes(SIGNING.verify_key))


def test_deep_json_is_a_bad_receipt() -> None:
    with pytest.raises(BadReceiptError):
        check_receipts(b"[" * 100_000, "0" * 64, [], bytes(32))
