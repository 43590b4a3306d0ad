"""A base's database at one moment, as a file of its own: taken beside whoever writes, and read for what it needs."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from trapbase.store import DATABASE
from trapkit.database import is_sound, storage_error
from trapkit.errors import SetupError, StorageError
from trapkit.files import refusal

PAGE_ROWS = 1000
READ_BYTES = 1 << 20
_NEEDED = """SELECT sha256, size FROM (
  SELECT sha256, size FROM objects WHERE body IS NULL {gone} AND sha256 > ?1 AND sha256 < ?2
  UNION SELECT sha256, size FROM conflicts WHERE body IS NULL AND sha256 > ?1 AND sha256 < ?2
) ORDER BY sha256 LIMIT ?3"""
LAST = b"\xff" * 33


def take(folder: Path, target: Path) -> None:
    """Copy the database in `folder`, which may be in use, to the new file `target`, durably.

    In one step: in WAL nobody waits for it, and it is of one moment.  Raises: SetupError, StorageError.
    """
    source = folder / DATABASE
    if not source.is_file():
        raise SetupError(f"{source}: is not there; has `trapbase run` been started on this folder?")
    try:
        live = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=10)
        with closing(live), closing(sqlite3.connect(target, isolation_level=None)) as copy:
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, whole without a log beside it
    except sqlite3.DatabaseError as error:
        raise StorageError(f"backup: database: {error}") from error


class Snapshot:
    """The database file at `path`, read-only unless `mend`; every answer bounded.

    Raises: SetupError when it cannot be opened; StorageError from methods.
    """

    def __init__(self, path: Path) -> None:
        try:
            # Nobody writes there: without `immutable` a medium that is read-only could not be opened.
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)
            columns = {row[1] for row in self._db.execute("PRAGMA table_info(objects)")}
        except sqlite3.DatabaseError as error:
            raise SetupError(f"{path}: cannot be read as a base's database: {error}") from error
        self._needed = _NEEDED.format(gone="AND gone_ms IS NULL" if "gone_ms" in columns else "")

    def close(self) -> None:
        self._db.close()

    def needed(self, after: bytes = b"", before: bytes = LAST) -> Iterator[tuple[bytes, int]]:
        """Digest and size of every body that it needs a file for, in order of their digests."""
        while rows := self._rows(self._needed, after, before, PAGE_ROWS):
            yield from rows
            after = rows[-1][0]

    def count(self) -> tuple[int, int, int, int]:
        """Schema, objects, and how many bodies and bytes it needs."""
        schema = int(self._rows("PRAGMA user_version")[0][0])
        objects = int(self._rows("SELECT count(*) FROM objects")[0][0])
        media = size = 0
        for _, body in self.needed():
            media, size = media + 1, size + body
        return schema, objects, media, size

    def _rows(self, sql: str, *values: object) -> list[tuple[bytes, int]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise storage_error(self._db, error) from error


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.  Raises: StorageError."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while data := file.read(READ_BYTES):
                digest.update(data)
    except OSError as error:
        raise StorageError(refusal(path, error)) from error
    return digest.hexdigest()


def check(path: Path) -> None:
    """Raises: SetupError where it is no whole database."""
    if not is_sound(path):
        raise SetupError(f"{path}: the database is damaged; take another backup")
