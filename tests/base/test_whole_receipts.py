"""A forged object in a batch: its trap's receipt is no use to it, is asked for whole, and lets go what is its own."""

import hashlib

import pytest

from tests.base.forwarding import World
from tests.base.parts import EPOCH, SIGNING, deliver, envelope, sighting
from trapbase.verify import problems
from trapcam.receipts import Proved, ReceiptOutcome, answer, check_receipt
from trapkit import topics
from trapkit.errors import StorageError
from trapwire.objects import ALERT, CROP, RECEIPT, Envelope, ObjectKey, decode_envelope, pack_keys

FORGED = sighting(1, 5)
OTHER_BYTES = [envelope(1, 1, CROP, b"came first, under the trap's own key")]


class Card:
    """What trap 1 has, and what it does with a receipt: by the trap's own code."""

    def __init__(self, *own: Envelope) -> None:
        self.held = {(e.key.number, e.key.rung): hashlib.sha256(e.body).digest() for e in own}

    def take(self, world: World) -> list[tuple[Envelope, Proved | None]]:
        """Every receipt that has come down, and what it proves; each is answered."""
        taken = []
        for _, payload in world.downs():
            down = decode_envelope(payload)
            proved = check_receipt(down, 1, EPOCH, lambda n, r: self.held.get((n, r)), bytes(SIGNING.verify_key))
            outcome = ReceiptOutcome.REFUSED if proved is None else ReceiptOutcome.APPLIED
            world.base.gateway_bus.publish(topics.downack(1), pack_keys(answer(down, outcome, 1, EPOCH)))
            taken.append((down, proved))
        return taken


@pytest.mark.parametrize("forged", [FORGED, OTHER_BYTES], ids=["a number of nobody", "other bytes, first"])
def test_a_trap_beside_whom_somebody_speaks_lets_go_of_exactly_its_own(world: World, forged: list[Envelope]) -> None:
    own = sighting(1, 1)
    card = Card(*own)
    deliver(world.broker, *forged, *own)
    world.base.run(0, 13_000)
    ((short, nothing), *_) = card.take(world)
    assert nothing is None
    world.base.run(13_000, 14_000)
    ((whole, proved),) = card.take(world)
    signed = {e.key for e in own} - {e.key for e in forged}
    assert proved is not None
    assert sorted(proved.objects) == sorted((key.number, key.rung) for key in signed), "its card empties again"
    assert proved.strangers == len(forged)
    assert whole.key.number == short.key.number + 1, "another number: the old one is settled on the air"
    world.base.run(14_000, 20_000)
    assert world.downs() == []
    assert world.rows("SELECT state FROM receipts") == [("delivered",)]
    assert world.rows("SELECT value FROM counters WHERE name = 'receipts_sent_whole'") == [(1,)]
    assert list(problems(world.folder / "base")) == []


def test_asking_again_and_after_a_restart_makes_nothing_more(world: World) -> None:
    own = sighting(1, 1)
    deliver(world.broker, *FORGED, *own)
    world.base.run(0, 13_000)
    keys = pack_keys([ObjectKey(1, EPOCH, 1, RECEIPT), own[0].key])
    for _ in range(3):
        world.base.gateway_bus.publish(topics.downack(1), keys)
    world.base.run(13_000, 14_000)
    world.restart()
    world.base.gateway_bus.publish(topics.downack(1), keys)
    world.base.run(14_000, 16_000)
    assert decode_envelope(world.downs()[-1][1]).key.number == 2
    assert world.rows("SELECT id, state FROM receipts") == [(2, "signed")]
    deliver(world.broker, *sighting(1, 9))
    world.base.run(16_000, 40_000)
    assert world.rows("SELECT id FROM receipts ORDER BY id") == [(2,), (3,)], "the number is used, and no other"
    assert world.rows("SELECT state, count FROM tallies WHERE kind = 'receipts' ORDER BY state") == [
        ("delivered", 0),
        ("signed", 2),
    ]


@pytest.mark.parametrize("key", [ObjectKey(1, EPOCH, 77, ALERT), ObjectKey(1, EPOCH + 1, 1, ALERT)])
def test_a_key_that_no_receipt_names_changes_nothing(world: World, key: ObjectKey) -> None:
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 15_000)
    before = world.rows("SELECT * FROM receipts")
    world.base.gateway_bus.publish(topics.downack(1), pack_keys([key]))
    world.base.run(15_000, 16_000)
    assert world.rows("SELECT * FROM receipts") == before


def test_a_trap_asks_in_its_own_name_alone(world: World) -> None:
    own = sighting(1, 1)
    deliver(world.broker, *own)
    world.base.run(0, 15_000)
    world.base.gateway_bus.publish(topics.downack(2), pack_keys([own[0].key]))
    world.base.run(15_000, 16_000)
    assert world.rows("SELECT id, state FROM receipts") == [(1, "signed")]
    assert world.base.receipts.garbage == 1


def test_what_a_full_disk_refuses_is_asked_once_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    own = sighting(1, 1)
    deliver(world.broker, *FORGED, *own)
    world.base.run(0, 15_000)
    with monkeypatch.context() as patch:

        def full(key: ObjectKey) -> bool:
            raise StorageError("database: disk is full")

        patch.setattr(world.base.whole, "want", full)
        world.base.gateway_bus.publish(topics.downack(1), pack_keys([own[0].key]))
        world.base.run(15_000, 16_000)
        assert world.base.forward.storage_error == "database: disk is full"
    world.base.run(16_000, 25_000)
    assert world.rows("SELECT id, state FROM receipts") == [(2, "signed")]
