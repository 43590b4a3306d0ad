"""An outbox's rows from its files: by SQLite where it still opens them, else page by page."""

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from trapship.opencard import pages
from trapship.opencard.found import Outbox
from trapship.opencard.pages import PAGE_BYTES, Row

MAX_DATABASE_BYTES = 1 << 32
_TABLES = {
    "outbox": "SELECT rowid, * FROM outbox",
    "objects": "SELECT rowid, * FROM objects",
    "audit": "SELECT rowid, * FROM audit",
    "events": "SELECT rowid, * FROM events",
    "notes": "SELECT rowid, * FROM notes",
}


def read_outbox(database: Path, scratch: Path) -> Outbox:
    """What `database` and the log beside it say. They are copied to `scratch` first: nothing on a card is changed."""
    copy = scratch / database.name
    for suffix in ("", "-wal"):
        there = database.with_name(database.name + suffix)
        if there.exists():
            shutil.copyfile(there, copy.with_name(copy.name + suffix))
    found = Outbox()
    rows: Iterator[Row] | list[Row]
    try:
        rows = _by_sqlite(copy)
    except sqlite3.DatabaseError as error:
        found.trouble = f"the database is damaged ({error}): read page by page"
        rows = _by_pages(database)
    found.add_rows(rows, proven)
    return found


def proven(body: bytes, sha256: bytes) -> bool:
    return hashlib.sha256(body).digest() == sha256


def _by_sqlite(path: Path) -> list[Row]:
    """Raises: sqlite3.DatabaseError when a table cannot be read to its end."""
    found = []
    with closing(sqlite3.connect(path)) as db:
        (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise sqlite3.DatabaseError(str(said)[:80])
        there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, query in _TABLES.items():
            if table == "notes" and table not in there:
                continue  # of a trap from before it had any
            columns = db.execute("SELECT name, type, pk FROM pragma_table_info(?)", (table,)).fetchall()
            # As in the file: a row's integer primary key is not among its stored values.
            alone = sum(pk > 0 for _, _, pk in columns) == 1
            keys = [alone and pk == 1 and kind == "INTEGER" for _, kind, pk in columns]
            for rowid, *values in db.execute(query):
                stored = (None if is_key else value for is_key, value in zip(keys, values, strict=True))
                found.append(Row(rowid, tuple(stored)))
    return found


def _by_pages(database: Path) -> Iterator[Row]:
    wal = database.with_name(database.name + "-wal")
    logged = dict(pages.wal_pages(wal.read_bytes())) if wal.exists() else {}
    with database.open("rb") as file:
        size = min(file.seek(0, 2), MAX_DATABASE_BYTES)

        def page(number: int) -> bytes | None:
            if number in logged:
                return logged[number]
            return stored(number)

        def stored(number: int) -> bytes | None:
            if not 0 < number <= size // PAGE_BYTES:
                return None
            file.seek((number - 1) * PAGE_BYTES)
            return file.read(PAGE_BYTES)

        for number in range(1, size // PAGE_BYTES + 1):
            yield from pages.rows(stored(number) or b"", page)
        for logged_page in logged.values():
            yield from pages.rows(logged_page, page)
