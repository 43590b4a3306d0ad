"""SQLite for custody: WAL, full sync at every commit, numbered migrations, named queries (house rule 10).

A migration whose first line is `-- readable by N` leaves a database that programs with N migrations and more can go on
with: an update that brings it may go back. The largest such N of all that were applied lies in SQLite's application_id,
as 1,000 times the schema's own number and N.
"""

import fcntl
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import Path

from trapkit.errors import DamagedError, SetupError, StorageError
from trapkit.files import FULL, MAKE_ROOM, refusal

CHECKPOINT_PAGES = 1000  # 4 MB: then what is in the log goes into the database
LOG_BYTES = 16 << 20
CACHE_KIB = 2048  # of each connection
VALUES = re.compile(r"VALUES (\([?, ]+\))")
ROWS_AT_ONCE = (64, 32, 16, 8, 4, 2, 1)  # in one statement: few sizes, so that each is compiled once
DAMAGED = "the file is damaged: take it away as it is and keep it, it may hold the only copy"


def open_database(path: Path, package: str) -> sqlite3.Connection:
    """Open `path` with the migrations of `package` (its `sql/NNN_name.sql` files, in order) applied.

    Every commit is on the disk when it returns.  Raises: SetupError when the file is no database of ours, or was
    written by a newer program; DamagedError when it was one and is torn; StorageError when the disk refuses.
    """
    try:
        # Two programs may start at the same moment; one alone makes the file and its tables.
        with path.with_name(f".{path.name}.opening").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _open(path, files(package) / "sql")
    except (sqlite3.DatabaseError, OSError) as error:
        if _is_full(error):
            raise StorageError(f"{path}: {error}: {_advice(error)}") from error
        if _is_damaged(error):
            raise DamagedError(f"{path}: cannot be used as a database: {error}: {_advice(error)}") from error
        if isinstance(error, OSError):
            raise SetupError(f"cannot be used as a database: {refusal(path, error)}") from error
        raise SetupError(f"{path}: cannot be used as a database: {error}") from error


def _is_full(error: Exception) -> bool:
    """Whether the disk refused for want of room, or might have: an extended I/O error does not say why."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) or getattr(error, "errno", 0) in FULL


def _is_damaged(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_sound(path: Path) -> bool:
    """Whether every page of a database can be read and hangs together; reads all of it.  Raises: StorageError."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        return bool(said == "ok")
    except sqlite3.DatabaseError as error:
        if _is_damaged(error):
            return False
        raise StorageError(f"{path}: {error}: {_advice(error)}") from error
    finally:
        connection.close()


def storage_error(connection: sqlite3.Connection, error: Exception) -> StorageError:
    """What SQLite said, with the file and what to do; a DamagedError where the file is torn."""
    (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
    made = DamagedError if _is_damaged(error) else StorageError
    return made(f"database {path}: {error}: {_advice(error)}")


def _advice(error: Exception) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    todo = {
        sqlite3.SQLITE_IOERR: f"{MAKE_ROOM}; if there is room, replace the card or disk",
        sqlite3.SQLITE_READONLY: "mount it writable again, or give this program's user the right to write there",
        sqlite3.SQLITE_BUSY: "another program holds it; it is tried again",
    }
    todo |= dict.fromkeys((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB), DAMAGED)
    return todo.get(code) or (MAKE_ROOM if _is_full(error) else "it is tried again")


def _open(path: Path, folder: Traversable) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # A log that grew under a long read shrinks again; pages in memory are bounded whatever the database holds.
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        _migrate(connection, path, folder)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path, folder: Traversable) -> None:
    steps = sorted((f for f in folder.iterdir() if f.name[:3].isdigit()), key=lambda f: f.name)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (told,) = connection.execute("PRAGMA application_id").fetchone()
    if version > len(steps):
        if told // 1000 == version and 0 < told % 1000 <= len(steps):
            return
        raise SetupError(f"{path}: schema {version} is newer than this program's {len(steps)}; update the program")
    if 0 < version < len(steps):
        connection.execute("PRAGMA secure_delete = ON")  # what a migration takes out is not to be found on the disk
    for number, step in enumerate(steps[version:], start=version + 1):
        readable_by = max(_readable_by(each.read_text(), at) for at, each in enumerate(steps[:number], start=1))
        marks = f"PRAGMA user_version = {number};\nPRAGMA application_id = {number * 1000 + readable_by};"
        script = f"BEGIN IMMEDIATE;\n{step.read_text()}\n{marks}\nCOMMIT;"
        connection.executescript(script)
    if 0 < version < len(steps):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA secure_delete = OFF")  # bodies are sealed: overwriting them would only wear the card


def _readable_by(text: str, number: int) -> int:
    """How many migrations a program must know to go on after this one, which is the `number`th."""
    found = re.match(r"-- readable by (\d{1,3})\n", text)
    return min(int(found[1]), number) if found else number


def load_queries(package: str, name: str = "queries.sql") -> dict[str, str]:
    """The named queries of a package: `-- name: what_it_is` lines open each one."""
    queries: dict[str, str] = {}
    current = ""
    for line in (files(package) / "sql" / name).read_text().splitlines():
        if line.startswith("-- name:"):
            current = line.split(":", 1)[1].strip()
            queries[current] = ""
        elif current:
            queries[current] += line + "\n"
    return queries


def add_rows(connection: sqlite3.Connection, query: str, rows: Sequence[Sequence[object]]) -> None:
    """Rows by a query with `VALUES (?, …)`, many in one statement. That is quicker than one by one, and other
    threads run meanwhile: Python lets go of its lock once a statement.

    Raises: as the statement does, with nothing of it done.
    """
    first = 0
    for size in ROWS_AT_ONCE:
        while len(rows) - first >= size:
            values = list(chain.from_iterable(rows[first : first + size]))
            connection.execute(_with_rows(query, size), values)
            first += size


@lru_cache(maxsize=64)
def _with_rows(query: str, count: int) -> str:
    return VALUES.sub(lambda found: found[0] + f", {found[1]}" * (count - 1), query)


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """All queries in the block see the same state; the file is locked and looked at once for all of them.

    Raises: StorageError when the disk refuses.
    """
    try:
        connection.execute("BEGIN")
        yield
    except sqlite3.DatabaseError as error:
        raise storage_error(connection, error) from error
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")  # there is nothing to commit, and this no disk can refuse


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing, durable when the block ends.

    Raises: StorageError when the disk refuses; everything in the block is then undone.
    """
    with writing(connection):
        yield connection
    commit(connection)


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """As `transaction`, and left open at the end of the block, for `commit`."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
    except BaseException as error:
        _undo(connection, error)
        raise


def commit(connection: sqlite3.Connection) -> None:
    """What `writing` left open is durable when this returns.  Raises: StorageError, and it is undone."""
    try:
        connection.execute("COMMIT")
    except BaseException as error:
        _undo(connection, error)
        raise


def _undo(connection: sqlite3.Connection, error: BaseException) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    # Disk full, read-only or locked is an OperationalError; a damaged file a DatabaseError and nothing narrower.
    if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
        raise storage_error(connection, error) from error
