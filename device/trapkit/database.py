"""SQLite for custody: WAL, full sync at every commit, numbered migrations, named queries (STYLE rule 10)."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from trapkit.errors import SetupError, StorageError


def open_database(path: Path, package: str) -> sqlite3.Connection:
    """Open `path` with the migrations of `package` (its `sql/NNN_name.sql` files, in order) applied.

    Every commit is on the disk when it returns.  Raises: SetupError when the file is no database of ours, or was
    written by a newer program.
    """
    try:
        # Two programs may start at the same moment; one alone makes the file and its tables.
        with path.with_name(f".{path.name}.opening").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _open(path, files(package) / "sql")
    except (sqlite3.DatabaseError, OSError) as error:
        raise SetupError(f"{path}: cannot be used as a database: {error}") from error


def _open(path: Path, folder: Traversable) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection, path, folder)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path, folder: Traversable) -> None:
    steps = sorted((f for f in folder.iterdir() if f.name[:3].isdigit()), key=lambda f: f.name)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(steps):
        raise SetupError(f"{path}: schema {version} is newer than this program's {len(steps)}; update the program")
    for number, step in enumerate(steps[version:], start=version + 1):
        script = f"BEGIN IMMEDIATE;\n{step.read_text()}\nPRAGMA user_version = {number};\nCOMMIT;"
        connection.executescript(script)


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


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing, durable when the block ends.

    Raises: StorageError when the disk refuses; everything in the block is then undone.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        # Disk full, read-only or locked is an OperationalError; a damaged file a DatabaseError and nothing narrower.
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            raise StorageError(f"database: {error}") from error
        raise
