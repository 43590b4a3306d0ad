"""The network and what it cannot trust: the disk, the broker's word, and whatever comes over the bus."""

from pathlib import Path

import pytest
from cam_parts import NOW, receipt_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from network_parts import KEY, TRAP, Field, objects_of
from records import SOURCE, kept

from trapcam.network import DISK_RETRY_MS, MAX_DOWN_BYTES, REST_MS, Network, subscriptions
from trapcam.outbox import FULL_FOLDER, Outbox
from trapcam.states import DELETED, DELIVERED, HELD, WAITING
from trapkit import topics
from trapkit.errors import StorageError
from trapsim.memorybus import MemoryBroker
from trapwire.objects import ALERT, FULL, ObjectKey, pack_keys


def test_a_disk_that_refuses_acknowledges_nothing_and_is_asked_again(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    field.base_listens = False
    field.outbox.commit(kept(0))
    receipt = receipt_for(TRAP, field.outbox.epoch, objects_of(field.outbox, 1, FULL))
    field.acknowledge((1, ALERT))
    field.down(receipt.encode())

    def refuse(*args: object) -> None:
        raise StorageError("database: disk is full")

    with monkeypatch.context() as patch:
        for name in ("mark", "apply_receipt"):
            patch.setattr(field.outbox, name, refuse)
        field.steps(50)
        assert field.network.trouble == field.network.refusal == "database: disk is full"
        assert len(field.bus.open) == 2
    field.steps(2, each_ms=DISK_RETRY_MS)
    assert field.network.trouble == ""
    assert not field.bus.open
    assert field.states() == {HELD: 1, WAITING: 1, DELIVERED: 1, DELETED: 1}


def test_a_full_frame_that_is_damaged_or_gone_is_named_and_holds_up_nobody(field: Field, tmp_path: Path) -> None:
    for position in range(3):
        field.outbox.commit(kept(position))
    names = [field.outbox._digest(number, FULL).hex() + ".age" for number in (1, 2)]  # type: ignore[union-attr]
    folder = tmp_path / "data" / FULL_FOLDER
    (folder / names[0]).unlink()
    whole = (folder / names[1]).read_bytes()
    (folder / names[1]).write_bytes(whole[:-1] + b"?")
    field.steps(60)
    assert field.outbox.in_state(HELD) == [(6, 1, FULL), (6, 2, FULL)]
    assert len(field.store.all_objects([TRAP], 100)) == 10, "no wrong bytes were sent under its key"
    assert names[0] in field.network.trouble
    assert field.network.serving
    (folder / names[1]).write_bytes(whole)
    field.steps(2, each_ms=REST_MS)
    assert field.outbox.in_state(HELD) == [(6, 1, FULL)]


def test_of_a_broker_that_denies_the_reason_is_said(outbox: Outbox, field: Field) -> None:
    outbox.commit(kept(0))
    bus = field.broker.connect("9", subscriptions(TRAP), may_publish="pugmark/1/+/9/#")
    network = Network(bus, outbox, KEY)
    for second in range(30):
        network.step(NOW + 1000 * second)
    assert "denied: Not authorized" in network.trouble
    assert not network.serving
    assert outbox.in_state(DELIVERED) == []


def test_messages_of_others_are_counted_skipped_and_acknowledged(field: Field) -> None:
    field.base_listens = False
    field.outbox.commit(kept(0))
    epoch = field.outbox.epoch
    bus = field.broker.connect(str(TRAP), ("pugmark/1/#",), may_publish="pugmark/1/+/7/#")
    field.network = Network(bus, field.outbox, KEY)
    own = pack_keys([ObjectKey(TRAP, epoch, 1, ALERT)])
    receipt = receipt_for(TRAP, epoch, objects_of(field.outbox, 1, ALERT))
    other = receipt_for(TRAP + 1, epoch, objects_of(field.outbox, 1, ALERT))
    for topic, payload in (
        (topics.ack(TRAP + 1), own),
        (topics.ack(TRAP), own[:-1]),
        (topics.ack(TRAP), b""),
        (topics.ack(TRAP), own * 1025),
        (topics.ack(TRAP), pack_keys([ObjectKey(TRAP, epoch ^ 1, 1, ALERT)])),
        (topics.ack(TRAP), pack_keys([ObjectKey(TRAP + 1, epoch, 1, ALERT)])),
        (topics.down(TRAP + 1), receipt.encode()),
        (topics.down(TRAP), other.encode()),
        (topics.down(TRAP), b"no envelope"),
        (topics.down(TRAP), receipt.encode() + bytes(MAX_DOWN_BYTES)),
        (topics.downack(TRAP), own),
        ("pugmark/1/ack/007", own),
    ):
        field.broker.deliver(topic, payload, {})
    field.steps(1)
    assert field.network.counts["skipped"] == 12
    assert not bus.open
    assert field.states() == {HELD: 2, WAITING: 2, DELIVERED: 0, DELETED: 0}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    messages=st.lists(
        st.tuples(st.sampled_from([topics.ack(TRAP), topics.down(TRAP), "", "#"]), st.binary(max_size=80)), max_size=5
    )
)
def test_no_message_crashes_the_network_or_deletes_anything(outbox: Outbox, messages: list[tuple[str, bytes]]) -> None:
    broker = MemoryBroker()
    network = Network(broker.connect("7", ("#",)), outbox, KEY)
    outbox.declare_source(SOURCE, None)
    outbox.commit(kept(0))
    for topic, payload in messages:
        broker.deliver(topic, payload, {})
    network.step(NOW)
    assert outbox.in_state(DELETED) == []
