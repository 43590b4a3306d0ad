"""Cut, upload, receipts: against the reference back end without sockets, and its failures."""

import pytest

from tests.base.forwarding import World
from tests.base.parts import EPOCH, NOW, SIGNING, deliver, sighting
from trapbase.upload import LOOK_AHEAD
from trapkit import topics
from trapkit.sealing import signature_is_valid
from trapwire.objects import RECEIPT, ObjectKey, decode_envelope
from trapwire.receipt import decode_receipt, statement


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
