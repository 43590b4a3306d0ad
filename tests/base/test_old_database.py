"""Databases of earlier versions open, keep everything, and go on: `old/schema-N.sql` are dumps, never edited."""

import sqlite3
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.base.parts import TRAPS
from trapbase.reader import Reader
from trapbase.store import DATABASE, Store
from trapbase.store_rows import IN_ROWS
from trapkit.errors import SetupError

OLD = sorted((Path(__file__).parent / "old").glob("schema-*.sql"), key=lambda path: int(path.stem.partition("-")[2]))
SCHEMAS = len([step for step in (files("trapbase") / "sql").iterdir() if step.name[:3].isdigit()])
ADDED = {"events": {"arrival"}, "objects": {"gone_ms"}, "requests": {"first"}}
MOVED = {"counters", "sqlite_sequence"}  # some rows come or go


def load(dump: Path, folder: Path) -> dict[str, list[dict[str, Any]]]:
    db = sqlite3.connect(folder / DATABASE)
    db.executescript(dump.read_text())
    db.close()
    return tables(folder)


def tables(folder: Path) -> dict[str, list[dict[str, Any]]]:
    db = sqlite3.connect(folder / DATABASE)
    db.row_factory = sqlite3.Row
    names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found = {name: [dict(r) for r in db.execute(f"SELECT * FROM {name}")] for name in names}
    db.close()
    return found


def schema(folder: Path) -> set[str]:
    db = sqlite3.connect(folder / DATABASE)
    found = {" ".join(r[0].split()) for r in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    db.close()
    return found


def test_there_is_a_dump_of_every_schema_before_this_one() -> None:
    assert [path.stem for path in OLD] == [f"schema-{n}" for n in range(1, len(OLD) + 1)]
    assert len(OLD) >= SCHEMAS - 4, "a release leaves a dump of its schema here"


@pytest.mark.parametrize("dump", OLD, ids=lambda path: path.stem)
def test_every_table_of_a_dump_has_rows(dump: Path, tmp_path: Path) -> None:
    if dump.stem != "schema-1":  # written when nobody thought of it
        assert [name for name, rows in load(dump, tmp_path).items() if not rows] == []


@pytest.mark.parametrize("dump", OLD, ids=lambda path: path.stem)
def test_an_old_database_goes_on(dump: Path, tmp_path: Path) -> None:
    before = load(dump, tmp_path)
    store = Store(tmp_path)
    assert len(store.waiting(TRAPS)) == 2
    reader = Reader(tmp_path)
    assert {r["species"]: r["count"] for r in reader.rows("species")} == {1: 2, 3: 1, 6: 1}
    reader.close()
    store.close()
    after = tables(tmp_path)
    for name, rows in before.items():
        if name not in MOVED:
            new = ADDED.get(name, set())
            assert [
                {k: v for k, v in row.items() if k in old} for row, old in zip(after[name], rows, strict=True)
            ] == rows
            assert all(row.keys() - old.keys() <= new for row, old in zip(after[name], rows, strict=True)), name
    # By migration 004, from the objects' order; by 010, of what is no alert and no note.
    assert sorted(row["arrival"] for row in after["events"]) == [1, 3, 5, 7]
    media = sum(row["size"] for row in after["objects"] if row["rung"] not in IN_ROWS and row["gone_ms"] is None)
    assert [row["media_bytes"] for row in after["room"]] == [media]
    # By 016, the newest of each species of each trap.
    newest: dict[tuple[int, int], int] = {}
    for row in after["events"]:
        key = (row["trap"], row["species"])
        newest[key] = max(newest.get(key, 0), row["arrival"])
    assert {(row["trap"], row["species"]): row["newest"] for row in after["seen"]} == newest
    # By 014, what is counted.
    tallied = {(row["kind"], row["state"]): row["count"] for row in after["tallies"] if row["count"]}
    tables_of = ("objects", "batches", "receipts")
    assert tallied == Counter((name, row["state"]) for name in tables_of for row in after[name])
    assert sum(row["bytes"] for row in after["tallies"] if row["kind"] == "objects") == sum(
        row["size"] for row in after["objects"]
    )
    assert {row["name"]: row["value"] for row in after["counters"]}.items() >= {("repeats", 0), ("conflicts", 0)}


@pytest.mark.parametrize("dump", OLD, ids=lambda path: path.stem)
def test_an_old_database_becomes_what_a_new_one_is(dump: Path, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    load(dump, tmp_path / "old")
    for name in ("old", "new"):
        Store(tmp_path / name).close()
    assert schema(tmp_path / "old") == schema(tmp_path / "new")
    db = sqlite3.connect(tmp_path / "old" / DATABASE)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()


def test_a_database_of_a_newer_program_is_refused_in_words(tmp_path: Path) -> None:
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / DATABASE)
    db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(SetupError, match=rf"schema 999 is newer than this program's {SCHEMAS}; update the program"):
        Store(tmp_path)
