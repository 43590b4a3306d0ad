"""Rows out of the pages of a SQLite database that SQLite itself no longer opens (file format: sqlite.org/fileformat2).

Only leaves of tables are read, each by itself, in whatever order and from whatever time they are: a body proves itself
by the SHA-256 in its row. What grew over one page is followed through its chain.
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

PAGE_BYTES = 4096  # ours, always
LEAF = 0x0D
MAX_CELLS = 1024
MAX_PAYLOAD_BYTES = 64 * 1024  # our largest row is a frame of 11 kB
MAX_COLUMNS = 32
WAL_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
WAL_HEAD_BYTES, FRAME_HEAD_BYTES = 32, 24
DATABASE_MAGIC = b"SQLite format 3\0"
Value = int | float | str | bytes | None
Page = Callable[[int], bytes | None]  # by its number, from 1


class Row(NamedTuple):
    """A row as it was stored: an integer primary key is None in `values`, and `rowid` is it."""

    rowid: int
    values: tuple[Value, ...]


def rows(page: bytes, other: Page) -> Iterator[Row]:
    """The rows on one page, if it is a table's leaf, but damaged ones; `other` gives further pages of long ones."""
    if len(page) != PAGE_BYTES:
        return
    head = 100 if page.startswith(DATABASE_MAGIC) else 0
    if page[head] != LEAF:
        return
    count = int.from_bytes(page[head + 3 : head + 5], "big")
    if not 0 < count <= MAX_CELLS:
        return
    for i in range(count):
        pointer = int.from_bytes(page[head + 8 + 2 * i : head + 10 + 2 * i], "big")
        if head + 8 < pointer < PAGE_BYTES:
            try:
                row = _cell(page, pointer, other)
            except (IndexError, ValueError):
                continue
            if row is not None:
                yield row


def wal_pages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of every page in a write-ahead log, oldest first, committed or not."""
    if data[:4] not in WAL_MAGIC:
        return
    for at in range(WAL_HEAD_BYTES, len(data) - FRAME_HEAD_BYTES - PAGE_BYTES + 1, FRAME_HEAD_BYTES + PAGE_BYTES):
        number = int.from_bytes(data[at : at + 4], "big")
        # The salts say which life of the log a frame is of; an older one's pages may hold the only copy of a body.
        if 0 < number < 1 << 24:
            yield number, data[at + FRAME_HEAD_BYTES : at + FRAME_HEAD_BYTES + PAGE_BYTES]


def _cell(page: bytes, at: int, other: Page) -> Row | None:
    size, at = _varint(page, at)
    rowid, at = _varint(page, at)
    if not 0 < size <= MAX_PAYLOAD_BYTES:
        return None
    most, least = PAGE_BYTES - 35, (PAGE_BYTES - 12) * 32 // 255 - 23
    local = size
    if size > most:
        local = least + (size - least) % (PAGE_BYTES - 4)
        local = local if local <= most else least
    payload = bytearray(page[at : at + local])
    if len(payload) < local:
        return None
    follow = int.from_bytes(page[at + local : at + local + 4], "big") if size > local else 0
    while len(payload) < size:
        further = other(follow) if follow else None
        if further is None:
            return None
        follow = int.from_bytes(further[:4], "big")
        payload += further[4 : 4 + size - len(payload)]
    return Row(rowid, _record(bytes(payload)))


def _record(payload: bytes) -> tuple[Value, ...]:
    head, at = _varint(payload, 0)
    if head > len(payload):
        raise ValueError("no record")
    kinds = []
    while at < head:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    if not 0 < len(kinds) <= MAX_COLUMNS:
        raise ValueError("no record of ours")
    values: list[Value] = []
    for kind in kinds:
        value, at = _value(kind, payload, at)
        values.append(value)
    return tuple(values)


def _value(kind: int, data: bytes, at: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind < 8:
        size = (0, 1, 2, 3, 4, 6, 8, 8)[kind]
    elif kind >= 12:
        size = (kind - 12) // 2
    else:
        raise ValueError("no kind of value")
    part = data[at : at + size]
    if len(part) < size:
        raise ValueError("cut off")
    if kind >= 12:
        return (part.decode() if kind % 2 else part), at + size
    if kind == 7:
        (real,) = struct.unpack(">d", part)
        return float(real), at + size
    return int.from_bytes(part, "big", signed=True), at + size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(9):
        byte = data[at + i]
        if i == 8:
            value = value << 8 | byte
            break
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return (value - (1 << 64) if value >= 1 << 63 else value), at + i + 1
