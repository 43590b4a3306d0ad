"""A base's work costs as much with a million events as with a thousand: the way of each query, what is counted."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.base.forwarding import World
from tests.base.parts import deliver, envelope, sighting
from trapbase.reader import Reader
from trapbase.store import DATABASE, Store
from trapkit.database import load_queries
from trapwire.objects import ALERT

# These may read everything: a person waits for them, or an error came. All others are asked again and again.
SELDOM = {
    "all_objects",
    "all_conflicts",
    "events_without_alert",
    "batches_in",
    "batch_states",
    "send_again",
    "day_notes_of",
    "room",  # by `verify`
    "counted",
}
LARGE = {"objects", "events", "batches", "receipts"}
SHORT = ("objects_waiting", "objects_scenes", "batches_open", "receipts_open")  # indices of what waits, or of a few
ENDED = ("batches_by_cut",)  # read from its newest end, with a LIMIT


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    folder = tmp_path_factory.mktemp("base")
    Store(folder).close()
    with closing(sqlite3.connect(folder / DATABASE)) as db:
        yield db


QUERIES = {
    name: sql
    for file in ("queries.sql", "reader.sql", "requests.sql", "cards.sql", "whole.sql")
    for name, sql in load_queries("trapbase", file).items()
    if name not in SELDOM
}


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_reads_a_large_table(base: sqlite3.Connection, name: str) -> None:
    sql = QUERIES[name]
    numbered = [int(n) for n in re.findall(r"\?(\d)", sql)]
    values = (None,) * (max(numbered) if numbered else sql.count("?"))
    named = dict(re.findall(r"(?:FROM|JOIN)\s+(\w+)\s+(\w+)", sql))
    for row in base.execute("EXPLAIN QUERY PLAN " + sql, values):
        step = row[3]
        found = re.match(r"(SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?(?:INDEX )?(\S+))?(.*)", step)
        if not found or {found[2], named.get(found[2], "")}.isdisjoint(
            {*LARGE} | {alias for table in LARGE for alias in re.findall(rf"\b{table}\s+(\w)\b", sql)}
        ):
            continue
        if found[1] == "SCAN":
            assert found[3] in SHORT + ENDED, step
        # All that a trap ever sent is as large as the table.
        assert not re.search(r"(PRIMARY KEY|sqlite_autoindex_objects_1) \(trap=\?\)", step), step


def test_no_index_makes_a_bound_value_compile_its_statement_again(base: sqlite3.Connection) -> None:
    """SQLite asks at every binding of `rung = ?` whether an index WHERE rung = 7 would fit now: ten times the query."""
    bound = set(re.findall(r"(\w+) = \?", " ".join(QUERIES.values())))
    for name, sql in base.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'"):
        compared = set(re.findall(r"(\w+) = ", sql.split(" WHERE ", 1)[1]))
        assert compared.isdisjoint(bound - {"state", "proof"}), name


def counted(folder: Path) -> dict[str, dict[str, int]]:
    """What `summary` says, counted row by row."""
    with closing(sqlite3.connect(folder / DATABASE)) as db:
        return {
            table: dict(db.execute(f"SELECT state, count(*) FROM {table} GROUP BY state"))
            for table in ("objects", "batches", "receipts")
        }


def test_what_is_kept_as_counts_is_what_is_there(tmp_path: Path) -> None:
    world = World(tmp_path)
    folder = tmp_path / "base"
    reader = Reader(folder)
    looks = []
    for number in range(1, 5):
        deliver(
            world.broker, *sighting(1, number), *sighting(2, number), envelope(3, number, ALERT, b"of a newer trap")
        )
        deliver(world.broker, *sighting(1, number))  # other bytes of its crop: kept aside
        for now in range(number * 20_000, number * 20_000 + 15_000, 1000):
            world.base.step(now)
            summary = reader.summary()
            looks.append({name: summary[name] for name in ("objects", "batches", "receipts")})
            assert looks[-1] == counted(folder)
    assert any("batched" in look["objects"] for look in looks)
    assert sum(looks[-1]["objects"].values()) == 20
    assert looks[-1]["objects"]["receipted"] >= 16, "an alert that cannot be read waits for its crop"
    with closing(sqlite3.connect(folder / DATABASE)) as db:
        assert dict(db.execute("SELECT species, sum(count) FROM seen GROUP BY species")) == {1: 8}
        (size,) = db.execute("SELECT sum(size) FROM objects").fetchone()
    assert sum(row["bytes"] for row in reader.rows("objects_by_state")) == size
    reader.close()
    world.close()


def test_a_batch_that_is_cut_in_two_or_made_again_is_counted_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    deliver(world.broker, *sighting(1, 1), *sighting(2, 1))
    world.until("receipted")
    store = world.base.store
    deliver(world.broker, *sighting(1, 2), *sighting(2, 2))
    world.base.ingest.step(70_000)
    name = world.base.cutter.step(10**13)
    assert name is not None
    world.base.cutter.rebuild(name)
    assert len(world.base.cutter.halve(name, 10**13)) == 2
    store.forget_url(store.batches_in(("cut",), 9)[0].batch_id)
    reader = Reader(tmp_path / "base")
    summary = reader.summary()
    assert {name: summary[name] for name in counted(tmp_path / "base")} == counted(tmp_path / "base")
    assert summary["batches"] == {"cut": 2, "receipted": 1}
    reader.close()
    world.close()


def test_a_long_list_is_read_once_for_many_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    for number in range(1, 13):
        deliver(world.broker, *sighting(1, number))
    while world.base.ingest.step(0, 0):
        pass
    world.base.cutter.recover()
    reads: list[int] = []
    real = Store.waiting
    monkeypatch.setattr(Store, "waiting", lambda *given: reads.append(1) or real(*given))
    cut = [world.base.cutter.step(0) for _ in range(6)]
    assert (sum(name is not None for name in cut), len(reads)) == (4, 1)
    assert [world.base.cutter.step(ms) for ms in range(0, 400, 20)] == [None] * 20
    assert len(reads) == 1, "nothing came, and no time passed that counts"
    deliver(world.broker, *(e for n in (20, 21, 22) for e in sighting(2, n)))
    while world.base.ingest.step(0, 0):
        pass
    name = world.base.cutter.step(400)
    assert name is not None, "what came is seen at once"
    assert {o.trap for o in world.base.store.objects_of(name)} == {2}
    world.close()
