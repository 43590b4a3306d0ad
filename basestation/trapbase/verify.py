"""`trapbase verify`: every record against its bytes, its digest and the states around it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from trapbase.media import path_in, read_from
from trapbase.reader import PAGE_ROWS, Reader, Row
from trapwire.objects import RUNG_NAMES


def problems(folder: Path) -> Iterator[str]:
    """One line for each thing that is not as it should be.  Raises: SetupError, StorageError."""
    reader = Reader(folder)
    media = folder / "media"
    try:
        for table in ("all_objects", "all_conflicts"):
            for row in _all(reader, table):
                problem = _check_bytes(row, media)
                if problem:
                    yield f"{_name(row)}{' (refused)' if table == 'all_conflicts' else ''}: {problem}"
        yield from _check_batches(reader, folder)
        for row in reader.rows("events_without_alert"):
            if row["count(*)"]:
                yield f"{row['count(*)']} events have no alert"
    finally:
        reader.close()


def _all(reader: Reader, table: str) -> Iterator[Row]:
    last = 0
    while rows := reader.rows(table, last, PAGE_ROWS):
        yield from rows
        last = rows[-1]["id"]


def _name(row: Row) -> str:
    return f"trap {row['trap']} epoch {row['epoch']:08x} number {row['number']} {RUNG_NAMES.get(row['rung'], '?')}"


def _check_bytes(row: Row, media: Path) -> str:
    body = row["body"]
    if body is not None and hashlib.sha256(body).digest() != row["sha256"]:
        return "its bytes do not match its digest"
    where = "its file" if body is None else "it"
    body = read_from(media, row["sha256"]) if body is None else body
    if body is None:
        there = path_in(media, row["sha256"]).exists()
        return "its file is damaged" if there else "its file is missing"
    return "" if len(body) == row["size"] else f"{where} has {len(body)} bytes, {row['size']} are recorded"


def _check_batches(reader: Reader, folder: Path) -> Iterator[str]:
    offset = 0
    while rows := reader.rows("batch_states", PAGE_ROWS, offset):
        offset += len(rows)
        for row in rows:
            name = f"batch {row['batch_id'][:16]}"
            if row["held"] != row["objects"]:
                yield f"{name}: has {row['held']} objects, {row['objects']} are recorded"
            signed = row["state"] == "receipted"
            if row["receipted"] != (row["held"] if signed else 0) or signed != bool(row["receipts"]):
                yield f"{name}: is {row['state']} with {row['receipts']} receipts over {row['receipted']} objects"
            path = folder / "outbox" / f"{row['batch_id']}.zip"
            if not signed and (not path.exists() or path.stat().st_size != row["size"]):
                yield f"{name}: its file is missing or of another size"
