"""Receipts: checked, kept, taken down to the traps until they have them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tests.base.forwarding import World
from tests.base.parts import EPOCH, NOW, SIGNING, deliver, sighting
from trapbase.receipts import BadReceiptError, check_receipts
from trapkit import topics
from trapkit.errors import StorageError
from trapwire.objects import PACK, RECEIPT, ObjectKey, pack_keys


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


def test_a_settings_pack_that_its_trap_has_is_told_and_is_no_objects_key(world: World) -> None:
    told: list[tuple[ObjectKey, int]] = []
    world.base.receipts._packs = lambda key, utc_ms: told.append((key, utc_ms))
    key = ObjectKey(1, 17, 5, PACK)
    world.base.gateway_bus.publish(topics.downack(1), pack_keys([key]))
    world.base.step(1_000)
    assert told == [(key, NOW + 1_000)]
    assert world.rows("SELECT value FROM counters WHERE name = 'receipts_sent_whole'") == []


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
