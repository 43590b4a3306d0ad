"""Databases of earlier versions open, keep everything, and go on: `old/schema-N.sql` are dumps, never edited."""

import sqlite3
from pathlib import Path

import pytest

from tests.base.parts import TRAPS
from trapbase.reader import Reader
from trapbase.store import DATABASE, Store

OLD = sorted((Path(__file__).parent / "old").glob("schema-*.sql"))


@pytest.mark.parametrize("dump", OLD, ids=lambda path: path.stem)
def test_an_old_database_goes_on(dump: Path, tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / DATABASE)
    db.executescript(dump.read_text())
    before = {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in ("objects", "events", "receipts")}
    db.close()
    store = Store(tmp_path)
    assert len(store.waiting(TRAPS)) == 2
    reader = Reader(tmp_path)
    assert {r["species"]: r["count"] for r in reader.rows("species")} == {1: 2, 3: 1, 6: 1}
    reader.close()
    store.close()
    db = sqlite3.connect(tmp_path / DATABASE)
    after = {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in before}
    db.close()
    assert after["objects"] == before["objects"]
    assert after["receipts"] == before["receipts"]
    added = {"arrival": [1, 3, 5, 7]}  # by migration 004, from the objects' order
    assert [row[: len(old)] for row, old in zip(after["events"], before["events"], strict=True)] == before["events"]
    assert sorted(row[-1] for row in after["events"]) == added["arrival"]
    assert len(before["objects"]) == 8
