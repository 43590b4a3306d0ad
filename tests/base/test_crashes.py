"""The base dies at every point where something becomes durable, and starts again: nothing lost, nothing doubled.

One process, virtual time: `trapsim.crash` counts every fsync, rename, unlink and commit, before and after, and the
part dies there. Real kills of real processes are in test_run.py and in tests/scenarios.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.base.parts import BOX, NOW, SIGNING, TRAPS, UPLOAD, Base, deliver, envelope, sighting
from trapbase.config import BatchSettings
from trapbase.verify import problems
from trapkit import topics
from trapkit.sealing import seal_box
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapsim.crash import Died, Fuse, fused
from trapsim.memorybus import MemoryBroker
from trapwire.objects import CROP, Envelope, decode_envelope, pack_keys, unpack_keys

BATCH = BatchSettings(max_events=2, max_age_s=1, max_wait_s=3)


class Gateways:
    """Plays gateway and traps: publishes what is not acknowledged again and again, takes receipts."""

    def __init__(self, broker: MemoryBroker, objects: list[Envelope]) -> None:
        self._broker = broker
        self.waiting = {e.key: e for e in objects}
        self.receipted: set[tuple[int, int]] = set()

    def step(self, bus: "Base", now_ms: int) -> None:
        if now_ms % 1000 == 0:
            deliver(self._broker, *self.waiting.values())
        for message in bus.gateway_bus.take(100):
            address = topics.parse(message.topic)
            assert address is not None
            if address.kind == topics.ACK:
                for key in unpack_keys(message.payload):
                    self.waiting.pop(key, None)
            elif address.kind == topics.DOWN:
                key = decode_envelope(message.payload).key
                self.receipted.add((key.trap, key.number))
                bus.gateway_bus.publish(topics.downack(key.trap), pack_keys([key]))
            message.acknowledge()


def live(folder: Path, objects: list[Envelope], burn: Callable[[int], bool], fuse: Fuse) -> tuple[int, BackendStore]:
    """Run until everything is receipted, dying and starting again where `burn` says; deaths and the back end."""
    broker = MemoryBroker()
    outlet = DirectOutlet(BackendStore(folder / "backend", bytes(SIGNING)))
    world = Gateways(broker, objects)
    base: Base | None = None
    for now in range(0, 120_000, 250):
        fuse.burn_at = frozenset(n for n in range(fuse.calls, fuse.calls + 400) if burn(n))
        fuse.armed = True
        try:
            if base is None:
                base = Base(folder / "base", broker, outlet, batch=BATCH, upload=UPLOAD)
            for _ in range(20):
                if not base.step(now):
                    break
        except Died:
            base = None
            fuse.armed = False
            # The death may have been in the back end's own disk calls: it starts again too.
            assert outlet.store is not None
            outlet.store.close()
            outlet.store = BackendStore(folder / "backend", bytes(SIGNING))
            if fuse.deaths % 3 == 0:
                broker.drop()
            continue
        fuse.armed = False
        world.step(base, now)
        store = base.store
        if not (
            world.waiting
            or store.waiting(TRAPS)
            or store.batches_in(("cut", "uploading", "uploaded"), 9)
            or store.open_receipts(9)
        ):
            break
    else:
        raise AssertionError(f"not done: {world.waiting}")
    assert base is not None
    base.close()
    assert outlet.store is not None
    return fuse.deaths, outlet.store


def check(folder: Path, objects: list[Envelope], backend: BackendStore) -> None:
    stats = backend.stats()
    assert stats["objects"] == len(objects), "nothing lost"
    assert (stats["duplicated"], stats["refused"]) == (0, 0), "nothing doubled"
    backend.close()
    assert list(problems(folder / "base")) == []
    assert list((folder / "base" / "media" / "incoming").iterdir()) == []


@pytest.fixture(scope="module")
def objects() -> list[Envelope]:
    own = [e for trap, number in ((1, 1), (2, 1), (3, 1)) for e in sighting(trap, number, NOW)]
    own[3] = envelope(2, 1, CROP, seal_box(bytes(BOX.public_key), b"large" * 100))
    return own


@pytest.fixture(autouse=True)
def small_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the crops is too large for its row, so that there are files to die at."""
    monkeypatch.setattr("trapbase.store_rows.INLINE_BYTES", 400)


def test_every_single_point(tmp_path: Path, objects: list[Envelope]) -> None:
    points, objects = 0, objects[:4]
    while True:
        with fused() as fuse:
            deaths, backend = live(tmp_path / str(points), objects, lambda n, point=points: n == point, fuse)
        check(tmp_path / str(points), objects, backend)
        if not deaths:
            break
        points += 1
    assert len(list((tmp_path / "0" / "base" / "media").glob("??/*"))) == 1
    assert points > 50, "a whole life has more"


@pytest.mark.parametrize("seed", range(12))
def test_many_deaths_in_one_life(tmp_path: Path, objects: list[Envelope], seed: int) -> None:
    chance = random.Random(seed)
    doomed = {n for n in range(3000) if chance.random() < 0.02}
    with fused() as fuse:
        _, backend = live(tmp_path, objects, doomed.__contains__, fuse)
    check(tmp_path, objects, backend)
