"""`trapbase verify`: every record against its bytes, its digest, and what else the base says of it.

Beside a running base too: what is begun there while this reads is looked at once more before it is named. Memory does
not grow with the base: everything is read a page at a time. Not looked at: keys, and pictures inside what is sealed.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from trapbase.reader import PAGE_ROWS, Reader, Row
from trapbase.results.check import problems as result_problems
from trapbase.verify_files import OLD_S, check_body, leftovers, zip_problem
from trapbase.verify_rows import batch_problems, name_of, receipt_problem, row_problem

MAX_NAMED = 100  # of one kind
LAST_ID = "g"  # behind every batch id
Tell = Callable[[str, int, int], None]
"""What is looked at, how many of it so far, and of how many."""


def problems(folder: Path, tell: Tell | None = None, *, now_s: float | None = None) -> Iterator[str]:
    """One line for each thing that is not as it should be, and what to do about it. `now_s`: Unix time, by which a file
    that belongs to no record is old enough to be named.

    Raises: SetupError, StorageError.
    """
    tell = tell or (lambda what, done, total: None)
    reader = Reader(folder)
    try:
        yield from _check_database(reader)
        total = reader.rows("counted")[0]["objects"]
        for done, row in enumerate(_all(reader, "all_objects"), start=1):
            yield from _check_row(reader, row, folder)
            if not done % 100:
                tell("objects", done, total)
        for row in _all(reader, "all_conflicts"):
            problem = check_body(row | {"gone_ms": None, "state": "refused"}, folder / "media")
            if problem:
                yield f"{name_of(row)} (refused): {problem}"
        yield from _check_batches(reader, folder)
        for row in _all(reader, "all_receipts"):
            named = reader.rows("objects_named", row["batch_id"], row["trap"], row["epoch"])
            problem = receipt_problem(row, named)
            if problem:
                yield f"receipt {row['id']} for trap {row['trap']}: {problem}"
        yield from result_problems(reader)
        yield from _check_references(reader)
        yield from leftovers(reader, folder, time.time() if now_s is None else now_s, OLD_S)
    finally:
        reader.close()


def elsewhere(folder: Path, limit: int) -> tuple[int, list[str]]:
    """How many objects lie at the back end alone since a restore, and the names of the first of them: no problem, for
    it has signed for them.  Raises: SetupError, StorageError."""
    reader = Reader(folder)
    try:
        rows = reader.rows("elsewhere", limit)
        return reader.rows("counted")[0]["elsewhere"], [f"{name_of(r)} (batch {r['batch_id'][:16]})" for r in rows]
    finally:
        reader.close()


def _check_database(reader: Reader) -> Iterator[str]:
    for row in reader.rows("integrity"):
        if row["integrity_check"] != "ok":
            yield f"database: {row['integrity_check']}: keep the file, and bring the base back: trapbase restore"
    for row in reader.rows("references")[:MAX_NAMED]:
        yield f"database: row {row['rowid']} of {row['table']} belongs to no row of {row['parent']}: tell who made this"


def _all(reader: Reader, table: str) -> Iterator[Row]:
    last = 0
    while rows := reader.rows(table, last, PAGE_ROWS):
        yield from rows
        last = rows[-1]["id"]


def _check_row(reader: Reader, row: Row, folder: Path) -> Iterator[str]:
    problem = check_body(row, folder / "media")
    if problem:
        again = [r for r in reader.rows("all_objects", row["id"] - 1, 1) if r["id"] == row["id"]]
        problem = check_body(again[0], folder / "media") if again else ""  # given up, or signed for, meanwhile
    if problem:
        yield f"{name_of(row)}: {problem}"
        return
    key = (row["trap"], row["epoch"], row["number"])
    said = row_problem(row, lambda: reader.rows("event_said", *key), lambda: reader.rows("note_said", *key))
    if said:
        yield f"{name_of(row)}: {said}"


def _check_batches(reader: Reader, folder: Path) -> Iterator[str]:
    last = ""
    while rows := reader.rows("batch_states", last, LAST_ID, PAGE_ROWS):
        last = rows[-1]["batch_id"]
        for row in rows:
            if list(_of_batch(reader, row, folder)):
                # It may have moved on between the look at its row and the look at its file.
                for again in reader.rows("batch_states", row["batch_id"][:-1], row["batch_id"], PAGE_ROWS)[-1:]:
                    yield from _of_batch(reader, again, folder)


def _of_batch(reader: Reader, row: Row, folder: Path) -> Iterator[str]:
    identities = reader.rows("batch_identities", row["batch_id"])
    for problem in batch_problems(row, [tuple(each.values()) for each in identities]):
        yield f"batch {row['batch_id'][:16]}: {problem}"
    if row["state"] != "receipted":
        problem = zip_problem(folder / "outbox" / f"{row['batch_id']}.zip", row["size"])
        if problem:
            yield f"batch {row['batch_id'][:16]}: {problem}"


def _check_references(reader: Reader) -> Iterator[str]:
    for query, what in (("events_without_alert", "alert"), ("notes_without_object", "object")):
        rows = reader.rows(query, MAX_NAMED + 1)
        kind = "events" if what == "alert" else "notes"
        if rows:
            count = f"over {MAX_NAMED}" if len(rows) > MAX_NAMED else str(len(rows))
            first = f"trap {rows[0]['trap']} epoch {rows[0]['epoch']:08x} number {rows[0]['number']}"
            yield f"{count} {kind} have no {what}, the first is {first}: bring the base back: trapbase restore"
    for row in reader.rows("room"):
        if row["media_bytes"] != row["bytes"]:
            yield f"media: {row['media_bytes']} bytes are counted, the rows have {row['bytes']}: tell who made this"
