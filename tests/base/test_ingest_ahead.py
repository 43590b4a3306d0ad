"""While one group's commit waits for the disk, the next is read, and nothing is said before its own commit."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest

from tests.base.parts import NOW, alert, deliver, envelope, sighting
from trapbase.ingest import RETRY_MS, SUBSCRIPTIONS, Ingest, Read
from trapbase.intake.beside import Beside
from trapbase.store import DATABASE, Store
from trapkit import topics
from trapkit.errors import StorageError
from trapsim.crash import Died, fused
from trapsim.memorybus import MemoryBroker
from trapwire.objects import ALERT, Envelope, ObjectKey, unpack_keys

GROUP = 4
LONG_S = 30.0


class Seen(Beside[Read]):
    """Remembers what was begun."""

    def __init__(self) -> None:
        super().__init__("ahead")
        self.begun: list[Future[Read]] = []

    def begin(self, job: Callable[[], Read]) -> Future[Read]:
        self.begun.append(super().begin(job))
        return self.begun[-1]


class World:
    def __init__(self, folder: Path, broker: MemoryBroker | None = None) -> None:
        self.folder = folder
        self.broker = broker or MemoryBroker()
        self.gateway = self.broker.connect("gateway", (topics.every(topics.ACK),))
        self.bus = self.broker.connect("ingest", SUBSCRIPTIONS)
        self.store = Store(folder)
        self.beside = Seen()
        self.ingest = Ingest(self.bus, self.store, group=GROUP, beside=self.beside)

    def step(self, now_ms: int = 0) -> bool:
        return self.ingest.step(now_ms, NOW)

    def acks(self) -> list[ObjectKey]:
        return [key for m in self.gateway.take(100) for key in unpack_keys(m.payload)]

    def stored(self) -> list[tuple[int, int, int]]:
        with closing(sqlite3.connect(self.folder / DATABASE)) as db:
            return db.execute("SELECT trap, number, rung FROM objects ORDER BY id").fetchall()

    def close(self) -> None:
        self.ingest.close()
        self.store.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "base")
    yield world
    world.close()


def many(count: int) -> list[Envelope]:
    """So many groups of alerts, of one trap."""
    return [envelope(1, number, ALERT, alert(NOW + number)) for number in range(1, count * GROUP + 1)]


def named(envelopes: list[Envelope]) -> list[tuple[int, int, int]]:
    return [(e.key.trap, e.key.number, e.key.rung) for e in envelopes]


def test_the_next_group_is_read_before_the_commit_returns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = many(3)
    deliver(world.broker, *objects)
    commit, seen = world.store.commit, []

    def slow() -> None:
        read = world.beside.begun[-1].result(LONG_S)  # there, though this commit has not even begun
        seen.append((len(world.stored()), [m.payload for m in read.messages], [k.number for k in world.acks()]))
        commit()

    monkeypatch.setattr(world.store, "commit", slow)
    while world.step():
        pass
    sent = [e.encode() for e in objects]
    # At the second commit the first group is said to be here, which it is; of the second nothing yet.
    assert seen == [
        (0, sent[GROUP : 2 * GROUP], []),
        (GROUP, sent[2 * GROUP :], [1, 2, 3, 4]),
        (2 * GROUP, [], [5, 6, 7, 8]),
    ]
    assert [k.number for k in world.acks()] == [9, 10, 11, 12]
    assert world.bus.open == {}


def test_a_commit_that_fails_acknowledges_nothing_and_keeps_the_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = many(3)
    deliver(world.broker, *objects)
    assert world.step()
    begun, commit = world.store._db, world.store.commit

    def full() -> None:
        begun.execute("ROLLBACK")
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "commit", full)
        assert not world.step()
    assert world.ingest.last_error == "the disk is full"
    assert world.stored() == named(objects[:GROUP])
    assert world.acks() == [e.key for e in objects[:GROUP]]
    assert len(world.bus.open) == 2 * GROUP  # what failed, and what was read behind it
    assert not world.step(RETRY_MS - 1)
    assert commit == world.store.commit
    while world.step(RETRY_MS):
        pass
    assert world.stored() == named(objects)
    assert world.acks() == [e.key for e in objects[GROUP:]]
    assert (world.bus.open, world.ingest.last_error) == ({}, "")


def test_what_was_read_ahead_comes_again_when_the_broker_says_so(world: World) -> None:
    objects = many(2)
    deliver(world.broker, *objects)
    assert world.step()
    world.bus.connected = False  # read ahead, and not acknowledged: the broker sends it to the next connection
    world.bus.connected = True
    while world.step():
        pass
    assert world.stored() == named(objects)
    assert world.bus.open == {}
    assert {k.number for k in world.acks()} == set(range(1, 2 * GROUP + 1))


def test_at_the_end_what_is_durable_is_acknowledged_and_nothing_else(tmp_path: Path) -> None:
    objects = many(2)
    world = World(tmp_path / "base")
    deliver(world.broker, *objects)
    assert world.step()
    world.close()
    assert world.acks() == [e.key for e in objects[:GROUP]]
    again = World(tmp_path / "base", world.broker)
    while again.step():
        pass
    assert again.stored() == named(objects)
    again.close()


def test_a_death_at_any_point_loses_nothing(tmp_path: Path) -> None:
    objects = [e for number in (1, 2, 3) for e in sighting(1, number)] + many(2)[3:]
    at = 0
    while True:
        broker = MemoryBroker()
        with fused() as fuse:
            world = World(tmp_path / str(at), broker)
            deliver(broker, *objects)
            fuse.burn_at, fuse.armed = frozenset({at}), True
            try:
                while world.step():
                    pass
            except Died:
                pass
            fuse.armed = False
            said = {key.as_tuple() for key in world.acks()}
            stored = set(world.stored())
            assert {(trap, number, rung) for trap, _, number, rung in said} <= stored, at
            again = World(tmp_path / str(at), broker)
            while again.step():
                pass
            assert sorted(again.stored()) == sorted(named(objects)), at
            world.beside.close()
            world.store.close()
            again.close()
        if not fuse.deaths:
            break
        at += 1
    assert at == 8, "before and after the first look at pieces, and each of three commits"


def test_repeats_among_new_ones_are_counted_once(world: World) -> None:
    objects = many(3)
    deliver(world.broker, *objects[:6], *objects[2:8], *objects[8:])
    while world.step():
        pass
    assert world.stored() == named(objects)
    assert {k.number for k in world.acks()} == set(range(1, 3 * GROUP + 1))
    with closing(sqlite3.connect(world.folder / DATABASE)) as db:
        assert db.execute("SELECT value FROM counters WHERE name = 'repeats'").fetchone() == (4,)
        assert db.execute("SELECT sum(count) FROM seen").fetchone() == (12,)
        assert db.execute("SELECT count FROM tallies WHERE kind = 'objects' AND state = 'stored'").fetchone() == (12,)
        assert db.execute("SELECT count(*) FROM events e JOIN objects o ON o.id = e.arrival").fetchone() == (12,)


def test_what_the_reader_beside_meets_ends_the_part(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = many(2)
    deliver(world.broker, *objects)
    take, calls = world.bus.take, []

    def broken(limit: int) -> object:
        calls.append(limit)
        if len(calls) > 1:
            raise ZeroDivisionError
        return take(limit)

    monkeypatch.setattr(world.bus, "take", broken)
    with pytest.raises(ZeroDivisionError):
        world.step()
    assert world.stored() == named(objects[:GROUP])  # the commit itself was not hindered
