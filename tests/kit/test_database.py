"""SQLite for custody: durable settings, migrations, named queries, transactions."""

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trapkit.database import add_rows, commit, load_queries, open_database, transaction, writing
from trapkit.errors import DamagedError, SetupError, StorageError

QUERIES = """\
-- said before the first name
-- name: all
SELECT a
-- why
FROM t;

-- name: add
INSERT INTO t VALUES (?);
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with one migration; a test adds more."""
    folder = tmp_path / "pugmark_sample"
    (folder / "sql").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "sql" / "001_first.sql").write_text("CREATE TABLE t (a INTEGER UNIQUE) STRICT;")
    (folder / "sql" / "queries.sql").write_text(QUERIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("pugmark_sample", None)


@pytest.fixture
def db(tmp_path: Path, package: Path) -> Iterator[sqlite3.Connection]:
    connection = open_database(tmp_path / "a.sqlite", "pugmark_sample")
    yield connection
    connection.close()


def test_every_commit_is_on_the_disk(db: sqlite3.Connection) -> None:
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert db.execute("PRAGMA foreign_keys").fetchone()[0] == 1
    assert db.execute("PRAGMA user_version").fetchone()[0] == 1


def test_a_program_goes_on_with_a_newer_database_that_says_it_may(
    tmp_path: Path, package: Path, db: sqlite3.Connection
) -> None:
    """What an update brought is readable by what was there before it, where the migration says so."""
    newer = package / "sql" / "002_more.sql"
    newer.write_text("-- readable by 1\nALTER TABLE t ADD COLUMN b TEXT;")
    open_database(tmp_path / "a.sqlite", "pugmark_sample").close()
    newer.unlink()
    again = open_database(tmp_path / "a.sqlite", "pugmark_sample")
    again.execute("INSERT INTO t (a) VALUES (2)")
    assert again.execute("PRAGMA user_version").fetchone()[0] == 2
    again.close()
    newer.write_text("-- readable by 1\nALTER TABLE t ADD COLUMN b TEXT;")
    (package / "sql" / "003_last.sql").write_text("ALTER TABLE t ADD COLUMN c TEXT;")  # says nothing: nobody before it
    open_database(tmp_path / "a.sqlite", "pugmark_sample").close()
    (package / "sql" / "003_last.sql").unlink()
    with pytest.raises(SetupError, match="newer"):
        open_database(tmp_path / "a.sqlite", "pugmark_sample")


def test_migrations_go_on_where_they_stopped(tmp_path: Path, package: Path, db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO t VALUES (1)")
    (package / "sql" / "002_more.sql").write_text("ALTER TABLE t ADD COLUMN b TEXT;\nUPDATE t SET b = 'x';")
    again = open_database(tmp_path / "a.sqlite", "pugmark_sample")
    assert tuple(again.execute("SELECT a, b FROM t").fetchone()) == (1, "x")
    assert again.execute("PRAGMA user_version").fetchone()[0] == 2
    again.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, package: Path, db: sqlite3.Connection) -> None:
    (package / "sql" / "002_broken.sql").write_text("ALTER TABLE t ADD COLUMN b TEXT;\nNONSENSE;")
    with pytest.raises(SetupError, match=r"a\.sqlite: cannot be used"):
        open_database(tmp_path / "a.sqlite", "pugmark_sample")
    assert db.execute("PRAGMA user_version").fetchone()[0] == 1
    assert len(db.execute("PRAGMA table_info(t)").fetchall()) == 1


def test_a_newer_database_is_refused(tmp_path: Path, db: sqlite3.Connection) -> None:
    db.execute("PRAGMA user_version = 7")
    with pytest.raises(SetupError, match="schema 7 is newer than this program's 1; update the program"):
        open_database(tmp_path / "a.sqlite", "pugmark_sample")


def test_what_is_no_database_is_refused(tmp_path: Path, package: Path) -> None:
    (tmp_path / "b.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(DamagedError, match=r"b\.sqlite: cannot be used as a database.*take it away as it is and keep"):
        open_database(tmp_path / "b.sqlite", "pugmark_sample")
    with pytest.raises(SetupError, match="cannot be used as a database"):
        open_database(tmp_path / "nowhere" / "b.sqlite", "pugmark_sample")


def test_named_queries(package: Path, db: sqlite3.Connection) -> None:
    queries = load_queries("pugmark_sample")
    assert list(queries) == ["all", "add"]
    db.execute(queries["add"], (3,))
    assert db.execute(queries["all"]).fetchone()["a"] == 3


def rows(db: sqlite3.Connection) -> list[int]:
    return [row[0] for row in db.execute("SELECT a FROM t ORDER BY a")]


def _insert_and_raise(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO t VALUES (2)")
    raise KeyboardInterrupt


def test_a_transaction_is_all_or_nothing(db: sqlite3.Connection) -> None:
    with transaction(db):
        db.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(KeyboardInterrupt), transaction(db):
        _insert_and_raise(db)
    assert rows(db) == [1]
    assert not db.in_transaction


def test_a_refusing_disk_is_a_storage_error_and_everything_is_undone(db: sqlite3.Connection) -> None:
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="database or disk is full"), transaction(db):
        db.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(5000)])
    assert rows(db) == []
    with pytest.raises(StorageError, match="no such table"), transaction(db):
        db.execute("INSERT INTO missing VALUES (1)")


def test_a_repeat_by_key_is_the_caller_s_to_see(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError), transaction(db):
        db.executemany("INSERT INTO t VALUES (?)", [(2,), (1,)])
    assert rows(db) == [1]


def test_another_writer_is_waited_for_then_a_storage_error(tmp_path: Path, db: sqlite3.Connection) -> None:
    other = open_database(tmp_path / "a.sqlite", "pugmark_sample")
    other.execute("PRAGMA busy_timeout = 20")
    with transaction(db):
        with pytest.raises(StorageError, match="locked"), transaction(other):
            pass
        db.execute("INSERT INTO t VALUES (1)")
    with transaction(other):
        other.execute("INSERT INTO t VALUES (2)")
    assert rows(db) == [1, 2]
    other.close()


@pytest.mark.parametrize("count", [0, 1, 5, 64, 200])
def test_many_rows_are_added_in_their_order(db: sqlite3.Connection, count: int) -> None:
    said: list[str] = []
    db.set_trace_callback(said.append)
    with transaction(db):
        add_rows(db, "INSERT INTO t VALUES (?)\n", [(n,) for n in range(1000, 1000 - count, -1)])
    assert [r[0] for r in db.execute("SELECT a FROM t ORDER BY rowid")] == list(range(1000, 1000 - count, -1))
    assert sum("INSERT" in each for each in said) <= 8, "a few statements"


def test_rows_that_cannot_be_added_leave_none_behind(db: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError), transaction(db):
        add_rows(db, "INSERT INTO t VALUES (?)", [(n % 99,) for n in range(100)])
    assert db.execute("SELECT count(*) FROM t").fetchone()[0] == 0
    assert not db.in_transaction


def test_rows_may_be_counted_together(db: sqlite3.Connection) -> None:
    query = "INSERT INTO t VALUES (?) ON CONFLICT (a) DO UPDATE SET a = -excluded.a"
    with transaction(db):
        add_rows(db, query, [(1,), (2,), (1,)])
    assert sorted(r[0] for r in db.execute("SELECT a FROM t")) == [-1, 2]


def test_what_is_written_is_there_for_others_only_after_its_commit(tmp_path: Path, db: sqlite3.Connection) -> None:
    with writing(db):
        db.execute("INSERT INTO t VALUES (1)")
    other = open_database(tmp_path / "a.sqlite", "pugmark_sample")
    assert other.execute("SELECT count(*) FROM t").fetchone()[0] == 0
    commit(db)
    assert other.execute("SELECT count(*) FROM t").fetchone()[0] == 1
    other.close()
