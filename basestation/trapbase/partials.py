"""Large objects that are not whole yet: what came of them stays on the disk, so that only the rest is sent again.

A file each in `FOLDER`, named by all that a piece says of its object; in it one record behind the other: `length u32 |
CRC-32 of the data u32 | data`. It is the beginning of the body, without gaps: a piece that begins behind it is let go,
one that begins before it adds what is new. What is answered for was synced; what a power cut leaves half is cut off
when the file is opened. The first bytes of a place stay; whether they are right the whole's digest says.
"""

import hashlib
import os
import re
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zlib import crc32

from trapkit.errors import StorageError
from trapkit.files import fsync_folder, refusal
from trapkit.pieces import MAX_DATA_BYTES, Have, Mark, Piece
from trapwire.errors import WireError
from trapwire.objects import MAX_BODY_BYTES, ObjectKey

FOLDER = "pieces"
MAX_AGE_MS = 30 * 24 * 3_600_000  # as long as the broker keeps a session
MAX_OF_TRAP_BYTES = 3 * MAX_BODY_BYTES  # one burst's three full frames, the largest there are
MAX_OF_TRAP = 8  # bodies that a trap may have begun: it sends one at a time, and a new card begins anew
SWEEP_EVERY_MS = 3_600_000
RECORD = struct.Struct(">II")
NAME = re.compile(r"(\d{1,5})-([0-9a-f]{8})-(\d{1,8})-(\d{1,2})-([0-9a-f]{64})-(\d{1,8})")


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A body that is complete and has its digest."""

    mark: Mark
    body: bytes


@dataclass(kw_only=True)
class Taken:
    """What became of some pieces: bodies that are whole now, how much there is of the others, objects given up."""

    whole: list[Whole] = field(default_factory=list)
    have: list[Have] = field(default_factory=list)
    let_go: int = 0


class _Begun(NamedTuple):
    size: int  # of the file, bytes
    touched_ms: int


class Partials:
    """The folder at `path`, with room for `room_bytes` in all. One program writes there."""

    def __init__(self, path: Path, room_bytes: int) -> None:
        self._folder = path
        self._room = max(room_bytes, MAX_OF_TRAP_BYTES)
        self._begun: dict[Mark, _Begun] | None = None
        self._ends: dict[Mark, int] = {}  # how much of a body there is, of those that were looked into
        self._swept_ms: int | None = None
        self._let_go = 0

    def take(self, pieces: Iterable[Piece], utc_ms: int) -> Taken:
        """Keep what is new, durably, and say what there is now of each object that was named.

        Raises: StorageError when the disk refuses; the same pieces may be taken again.
        """
        self._let_go = 0
        by_mark: dict[Mark, list[Piece]] = {}
        for piece in pieces:
            by_mark.setdefault(piece.mark, []).append(piece)
        try:
            begun = self._look(utc_ms)
            taken = Taken()
            for mark, its in by_mark.items():
                end = self._append(begun, mark, its, utc_ms)
                body = self._read(mark) if end == mark.total else b""
                if end < mark.total:
                    taken.have.append(Have(mark, end))
                elif hashlib.sha256(body).digest() == mark.sha256:
                    taken.whole.append(Whole(mark=mark, body=body))
                else:
                    self._drop(begun, mark)  # somebody's bytes are wrong: from the beginning
                    taken.have.append(Have(mark, 0))
            taken.let_go = self._let_go
            return taken
        except OSError as error:
            self._begun = None  # what the disk holds now it must say itself
            self._ends.clear()
            raise StorageError(f"pieces: {refusal(self._folder, error)}") from error

    def forget(self, marks: Iterable[Mark]) -> None:
        """These are in custody as whole objects."""
        for mark in marks:
            if self._begun is not None:
                self._begun.pop(mark, None)
            self._ends.pop(mark, None)
            with suppress(OSError):  # what cannot be removed goes by its age
                self._path(mark).unlink()

    def _path(self, mark: Mark) -> Path:
        k = mark.key
        return self._folder / f"{k.trap}-{k.epoch:08x}-{k.number}-{k.rung}-{mark.sha256.hex()}-{mark.total}"

    def _look(self, utc_ms: int) -> dict[Mark, _Begun]:
        if self._begun is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fsync_folder(self._folder.parent)
            found = ((_mark(entry.name), entry) for entry in os.scandir(self._folder))
            stats = ((mark, entry.stat(follow_symlinks=False)) for mark, entry in found if mark is not None)
            self._begun = {mark: _Begun(stat.st_size, stat.st_mtime_ns // 1_000_000) for mark, stat in stats}
            self._swept_ms = None
        if self._swept_ms is None or not 0 <= utc_ms - self._swept_ms < SWEEP_EVERY_MS:
            self._swept_ms = utc_ms
            for mark, begun in list(self._begun.items()):
                if utc_ms - begun.touched_ms > MAX_AGE_MS:
                    self._drop(self._begun, mark)
        return self._begun

    def _append(self, begun: dict[Mark, _Begun], mark: Mark, pieces: list[Piece], utc_ms: int) -> int:
        """Add what is new of one body; how much there is then, on the disk."""
        end = self._end(begun, mark)
        start, data = end, bytearray()
        for piece in pieces:
            if piece.offset <= end < piece.offset + len(piece.data):
                more = piece.data[end - piece.offset :]
                data += RECORD.pack(len(more), crc32(more)) + more
                end += len(more)
        if end == start:
            return end
        self._make_room(begun, mark, len(data))
        path = self._path(mark)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            while data:
                del data[: os.write(fd, data)]
            os.utime(fd, ns=(utc_ms * 1_000_000, utc_ms * 1_000_000))
            os.fsync(fd)
            size = os.fstat(fd).st_size
        finally:
            os.close(fd)
        if mark not in begun:
            fsync_folder(self._folder)
        begun[mark] = _Begun(size, utc_ms)
        self._ends[mark] = end
        return end

    def _end(self, begun: dict[Mark, _Begun], mark: Mark) -> int:
        """How much of a body there is; what lies behind the last whole record is cut off."""
        if mark not in begun:
            return 0
        if mark not in self._ends:
            end = at = 0
            with self._path(mark).open("r+b") as file:
                while record := _record(file):
                    end += len(record)
                    at = file.tell()
                file.truncate(at)
                os.fsync(file.fileno())
            if end > mark.total:  # never written by us
                self._drop(begun, mark)
                return 0
            begun[mark] = begun[mark]._replace(size=at)
            self._ends[mark] = end
        return self._ends[mark]

    def _read(self, mark: Mark) -> bytes:
        with self._path(mark).open("rb") as file:
            body = bytearray()
            while record := _record(file):
                body += record
            return bytes(body)

    def _make_room(self, begun: dict[Mark, _Begun], mark: Mark, more: int) -> None:
        """Give up what was not touched for longest: of this trap first, then of whoever holds most."""

        def held(trap: int) -> int:
            return sum(each.size for other, each in begun.items() if other.key.trap == trap)

        def oldest(trap: int) -> Mark | None:
            its = [other for other in begun if other.key.trap == trap and other != mark]
            return min(its, key=lambda other: begun[other].touched_ms, default=None)

        own = mark.key.trap
        while (held(own) + more > MAX_OF_TRAP_BYTES or _count(begun, mark) > MAX_OF_TRAP) and (gone := oldest(own)):
            self._drop(begun, gone)
        while sum(each.size for each in begun.values()) + more > self._room:
            traps = sorted({other.key.trap for other in begun}, key=held)
            gone = next((found for trap in reversed(traps) if (found := oldest(trap))), None)
            if gone is None:
                return  # it alone is left, and one body has room
            self._drop(begun, gone)

    def _drop(self, begun: dict[Mark, _Begun], mark: Mark) -> None:
        self._path(mark).unlink(missing_ok=True)
        begun.pop(mark, None)
        self._ends.pop(mark, None)
        self._let_go += 1


def _count(begun: dict[Mark, _Begun], mark: Mark) -> int:
    """Bodies that this trap has begun, with this one."""
    return len({mark, *(other for other in begun if other.key.trap == mark.key.trap)})


def _mark(name: str) -> Mark | None:
    """What a file's name says; None where it is none of ours."""
    found = NAME.fullmatch(name)
    if not found:
        return None
    trap, epoch, number, rung, sha256, total = found.groups()
    try:
        return Mark(ObjectKey(int(trap), int(epoch, 16), int(number), int(rung)), bytes.fromhex(sha256), int(total))
    except WireError:
        return None


def _record(file: BinaryIO) -> bytes:
    """The next record's data; none where it is not whole."""
    head = file.read(RECORD.size)
    if len(head) < RECORD.size:
        return b""
    length, check = RECORD.unpack(head)
    data = file.read(length) if 0 < length <= MAX_DATA_BYTES else b""
    return data if len(data) == length and crc32(data) == check else b""
