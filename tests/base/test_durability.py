"""What SQLite promises the base: full sync at every commit, a log and a cache that stay small."""

import sqlite3
from pathlib import Path

import pytest

from trapbase.custody.restore_store import RestoreStore
from trapbase.custody.room_store import RoomStore
from trapbase.request_store import RequestStore
from trapbase.store import CACHE_KB, DATABASE, Store
from trapbase.store import CHECKPOINT_PAGES as STORE_PAGES
from trapkit.database import CACHE_KIB, CHECKPOINT_PAGES, LOG_BYTES, transaction

FULL = 2
PAGE_BYTES = 4096


@pytest.mark.parametrize("opened", [Store, RequestStore, RoomStore, RestoreStore], ids=lambda cls: cls.__name__)
def test_every_writer_syncs_at_every_commit_and_is_bounded(tmp_path: Path, opened: type[Store]) -> None:
    store = opened(tmp_path)
    asked = ("journal_mode", "synchronous", "foreign_keys", "wal_autocheckpoint", "journal_size_limit", "cache_size")
    found = {name: store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in asked}
    # The one that takes everything in has more of both, and yet a bound.
    pages, cache = (STORE_PAGES, CACHE_KB) if opened is Store else (CHECKPOINT_PAGES, CACHE_KIB)
    assert found == {
        "journal_mode": "wal", "synchronous": FULL, "foreign_keys": 1, "wal_autocheckpoint": pages,
        "journal_size_limit": LOG_BYTES, "cache_size": -cache,
    }  # fmt: skip
    store.close()


def test_the_log_is_bounded_and_shrinks_after_a_long_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    log = tmp_path / f"{DATABASE}-wal"

    def write(times: int) -> None:
        for n in range(times):
            with transaction(store._db) as db:
                values = (1, 1, n, 0, bytes(32), 1, bytes(100 * PAGE_BYTES), 0)
                db.execute(store._sql["add_conflict"], values)
                db.execute("DELETE FROM conflicts")

    write(30)
    assert log.stat().st_size < 3 * STORE_PAGES * PAGE_BYTES
    reader = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM conflicts").fetchone()
    write(100)
    grown = log.stat().st_size
    assert grown > LOG_BYTES
    reader.close()
    write(30)
    assert log.stat().st_size <= LOG_BYTES + STORE_PAGES * PAGE_BYTES
    store.close()
