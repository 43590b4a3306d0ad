"""Traps, a base that can come back from a backup, and a back end, in virtual time."""

import sqlite3
from pathlib import Path

from tests.base.parts import NOW, SIGNING, TRAPS, Base, deliver, sighting
from trapbase.custody.backup import make_backup
from trapbase.custody.layout import backups_in
from trapbase.custody.recall import Recall
from trapbase.custody.reconcile import Reconcile
from trapbase.custody.restore import Restored, restore
from trapbase.custody.restore_store import RestoreStore
from trapbase.forward import Forward
from trapkit import topics
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapsim.memorybus import MemoryBroker
from trapwire.objects import Envelope, ObjectKey, decode_envelope, pack_keys, unpack_keys
from trapwire.receipt import decode_receipt

VERIFY_KEY = bytes(SIGNING.verify_key)


class Trap:
    """One trap's outbox as the base sees it: offers until acknowledged, deletes what a receipt names, and offers again
    what it is asked for and still has."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.offered: dict[ObjectKey, Envelope] = {}
        self.delivered: dict[ObjectKey, Envelope] = {}
        self.deleted: set[ObjectKey] = set()
        self.deaf = False  # to receipts: the radio did not bring them yet

    def make(self, *objects: Envelope) -> None:
        self.offered |= {e.key: e for e in objects}

    def hear(self, topic: str, payload: bytes) -> ObjectKey | None:
        """A message of the base's; the key of a receipt that it took."""
        address = topics.parse(topic)
        if address is None or address.trap != self.number:
            return None
        if address.kind == topics.ACK:
            for key in unpack_keys(payload):
                if key in self.offered:
                    self.delivered[key] = self.offered.pop(key)
        elif address.kind == topics.WANTED:
            for key in unpack_keys(payload):
                if key in self.delivered:
                    self.offered[key] = self.delivered.pop(key)
        elif address.kind == topics.DOWN and not self.deaf:
            down = decode_envelope(payload)
            receipt = decode_receipt(down.body)
            for number, rung in receipt.objects:
                key = ObjectKey(self.number, receipt.epoch, number, rung)
                self.delivered.pop(key, None)
                self.offered.pop(key, None)
                self.deleted.add(key)
            return down.key
        return None


class Valley:
    """Traps, a base that can come back, and a back end, in virtual time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_ms = 0
        self.broker = MemoryBroker()
        self.outlet = DirectOutlet(BackendStore(folder / "backend", bytes(SIGNING)))
        self.traps = {number: Trap(number) for number in TRAPS}
        self.made: set[ObjectKey] = set()
        self.start()

    def start(self) -> None:
        self.base = Base(self.folder / "base", self.broker, self.outlet)
        self.restored = RestoreStore(self.folder / "base")
        self.reconcile = Reconcile(self.restored, self.outlet, VERIFY_KEY, TRAPS)
        base = self.base
        base.forward = Forward(base.cutter, base.uploader, base.receipts, self.reconcile)
        self.recall = Recall(self.broker.connect("recall", ()), self.restored)

    def stop(self) -> None:
        self.base.close()
        self.restored.close()

    def close(self) -> None:
        self.stop()
        assert self.outlet.store is not None
        self.outlet.store.close()

    def make(self, trap: int, *numbers: int) -> None:
        for number in numbers:
            objects = sighting(trap, number, NOW + self.now_ms + number * 120_000)
            self.traps[trap].make(*objects)
            self.made |= {e.key for e in objects}

    def run(self, for_ms: int, every_ms: int = 1000, *, forward: bool = True) -> None:
        end = self.now_ms + for_ms
        while self.now_ms < end:
            self.now_ms += every_ms
            deliver(self.broker, *(e for trap in self.traps.values() for e in trap.offered.values()))
            for _ in range(30):
                moved = self.base.ingest.step(self.now_ms, NOW + self.now_ms)
                moved |= forward and self.base.forward.step(self.now_ms, NOW + self.now_ms)
                if not moved:
                    break
            self.recall.step(self.now_ms, NOW + self.now_ms)
            for message in self.base.gateway_bus.take(10_000):
                for trap in self.traps.values():
                    taken = trap.hear(message.topic, message.payload)
                    if taken is not None:
                        self.base.gateway_bus.publish(topics.downack(trap.number), pack_keys([taken]))
                message.acknowledge()

    def backup(self, keep: int | None = None) -> Path:
        *_, last = make_backup(self.folder / "base", self.folder / "backups", "north", NOW + self.now_ms, keep)
        assert last.lost == []
        return backups_in(self.folder / "backups")[-1]

    def come_back(self, backup: Path) -> Restored:
        self.stop()
        *_, state = restore(backup, self.folder / "base", NOW + self.now_ms, replace=True)
        self.start()
        return state

    def lost(self) -> list[ObjectKey]:
        """What was made and is neither on its trap, nor here, nor at the back end."""
        base = sqlite3.connect(self.folder / "base" / "base.sqlite3")
        back = sqlite3.connect(self.folder / "backend" / "backend.sqlite3")
        query = "SELECT trap, epoch, number, rung FROM objects"
        safe = {ObjectKey(*r) for db in (base, back) for r in db.execute(query)}
        base.close()
        back.close()
        return sorted(self.made - safe, key=ObjectKey.as_tuple)

    def waiting(self) -> int:
        """Objects that traps still hold."""
        return sum(len(trap.offered) + len(trap.delivered) for trap in self.traps.values())

    def backend(self) -> dict[str, int]:
        assert self.outlet.store is not None
        return self.outlet.store.stats()
