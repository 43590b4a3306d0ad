"""Traps' ledgers for the tests of the base: signed notes as envelopes, and an ingest that has their keys."""

from pathlib import Path

from nacl.signing import SigningKey

from tests.base.parts import EPOCH, NOW, deliver
from trapbase import ingest
from trapbase.ingest import Ingest
from trapbase.store import Store
from trapsim.memorybus import MemoryBroker
from trapwire.alert import TIME_BASE_UNIX_MS
from trapwire.notes import DAY, FIELDS, Note, statement
from trapwire.objects import NOTE, Envelope, ObjectKey

UNIT = SigningKey(bytes(range(64, 96)))  # every trap's here
DAY_MS = 86_400_000
TODAY = (NOW - TIME_BASE_UNIX_MS) // DAY_MS


def note(
    trap: int,
    number: int,
    kind: int,
    values: dict[str, int],
    *,
    at_ms: int = NOW,
    epoch: int = EPOCH,
    key: SigningKey = UNIT,
) -> Envelope:
    """A signed note in its envelope."""
    made = Note(kind, at_ms, 1000, values)
    made.signature = key.sign(statement(trap, epoch, number, made.fields())).signature
    return Envelope(ObjectKey(trap, epoch, number, NOTE), made.encode())


def day(trap: int, number: int, ago: int, *, key: SigningKey = UNIT, epoch: int = EPOCH, **values: int) -> Envelope:
    """The line of `ago` days before `NOW`'s; unless told otherwise the trap saw all day."""
    fields = {name: 0 for name, _, _ in FIELDS[DAY]} | {"day": TODAY - ago, "watch": 1440, "seen": 1440} | values
    return note(trap, number, DAY, fields, key=key, epoch=epoch)


def write_keys(folder: Path, *traps: int) -> Path:
    """The folder of traps' public keys."""
    folder.mkdir(exist_ok=True)
    for trap in traps:
        (folder / f"{trap}.sign.pub").write_text(bytes(UNIT.verify_key).hex() + "\n")
    return folder


def take(folder: Path, keys: Path | None, *envelopes: Envelope, now_ms: int = NOW) -> None:
    """Through the bus and ingest into a base's store."""
    broker = MemoryBroker()
    store = Store(folder, keys)
    step = Ingest(broker.connect("ingest", ingest.SUBSCRIPTIONS), store, group=64)
    deliver(broker, *envelopes)
    while step.step(0, now_ms):
        pass
    store.close()
