"""Pieces of objects that are not whole yet, remembered over a restart of the gateway, so that no trap sends them twice.

One file of records, only ever written behind: `trap u16 | kind u8 | length u16 | CRC-32 of what went before and of the
payload | payload`. The system makes it durable in its own time, not piece by piece: that would wear a card out, and
what a power cut takes the trap sends again. It is written anew, with what is still incomplete, when it has grown and
after each start.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from zlib import crc32

from trapkit.files import refusal, write_atomically

HEAD = ">HBHI"
HEAD_BYTES = struct.calcsize(HEAD)
ANEW_BYTES = 1 << 20  # a week of crops
MAX_PAYLOAD_BYTES = 255

Record = tuple[int, int, bytes]
"""Trap, kind of frame, payload."""


class Partials(Protocol):
    """Who has the pieces (`trapwire.baselink.BaseLink`)."""

    def partials(self) -> list[Record]: ...


class PieceMemory:
    """The file at `path`. `trouble`: why pieces are not remembered now, or nothing; the link goes on without."""

    def __init__(self, path: Path) -> None:
        self.trouble = ""
        self._path = path
        self._size = ANEW_BYTES + 1  # what is there may end in half a record

    def read(self) -> list[Record]:
        """What was remembered, as far as it can be read."""
        try:
            with self._path.open("rb") as file:
                return list(_records(file.read(4 * ANEW_BYTES)))
        except FileNotFoundError:
            return []
        except OSError as error:
            self.trouble = refusal(self._path, error)
            return []

    def keep(self, record: Record, held: Partials) -> None:
        """Remember a piece; `held`: where all those are that are still needed."""
        try:
            if self._size > ANEW_BYTES:
                data = b"".join(map(_encode, held.partials()))
                write_atomically(self._path, data, mode=0o600)
                self._size = len(data)
            else:
                self._append(_encode(record))
            self.trouble = ""
        except OSError as error:
            self._size = ANEW_BYTES + 1
            self.trouble = refusal(self._path, error)

    def _append(self, data: bytes) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # A disk that fills up takes half a record, and behind half a record nothing can be read: written anew then.
            whole = os.write(fd, data) == len(data)
            self._size = self._size + len(data) if whole else ANEW_BYTES + 1
        finally:
            os.close(fd)


def _encode(record: Record) -> bytes:
    trap, kind, payload = record
    head = struct.pack(">HBH", trap, kind, len(payload))
    return head + struct.pack(">I", crc32(head + payload)) + payload


def _records(data: bytes) -> Iterator[Record]:
    """Up to the first that is damaged or cut short: behind it nothing can be told from chance."""
    at = 0
    while at + HEAD_BYTES <= len(data):
        trap, kind, size, check = struct.unpack_from(HEAD, data, at)
        payload = data[at + HEAD_BYTES : at + HEAD_BYTES + size]
        if size > MAX_PAYLOAD_BYTES or len(payload) != size or crc32(data[at : at + 5] + payload) != check:
            return
        yield trap, kind, payload
        at += HEAD_BYTES + size
