"""All sealed objects as one file for a phone: a tar that is never made, only read from any place in it (pure).

Its size and every byte follow from a list that does not change, so a download that broke off goes on where it stopped
(RFC 9110, 14: Range, If-Range). Layout: `trapkit.parcel`'s, in ustar (POSIX.1-1988).
"""

import hashlib
import tarfile
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from trapkit import parcel
from trapkit.parcel import Entry, Index
from trapwire.objects import HEAD_BYTES

BLOCK = 512
END = bytes(2 * BLOCK)


class GoneError(Exception):
    """An object of the list is not here any more, or damaged: this download cannot go on, a new one can begin."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An object: its number and rung, and size and SHA-256 (32 bytes) of its sealed body."""

    number: int
    rung: int
    size: int
    sha256: bytes


class Parcel:
    """The tar of `objects` of one trap and epoch; `envelope(number, rung)` gives an object as it travels, or None."""

    def __init__(
        self, trap: int, epoch: int, objects: list[Listed], written_ms: int,
        envelope: Callable[[int, int], bytes | None],
    ) -> None:  # fmt: skip
        folder = f"{parcel.FOLDER}/{parcel.folder_name(trap, epoch)}"
        names = [parcel.file_name(o.number, o.rung) for o in objects]
        entries = [Entry(file=n, bytes=o.size, sha256=o.sha256.hex()) for n, o in zip(names, objects, strict=True)]
        digest = hashlib.sha256(b"".join(bytes([o.rung]) + o.sha256 for o in objects)).hexdigest()
        index = parcel.encode_index(
            Index(trap=trap, epoch=f"{epoch:08x}", parcel=digest[:8], written_ms=written_ms, objects=tuple(entries))
        )
        self.count = len(objects)
        self._keys = frozenset((o.number, o.rung) for o in objects)
        self.name = f"pugmark-{parcel.folder_name(trap, epoch)}.tar"
        self.tag = f'"{hashlib.sha256(index).hexdigest()[:32]}"'
        self._envelope = envelope
        self._objects = objects
        self._index = index
        sizes = [len(index), *(HEAD_BYTES + o.size for o in objects)]
        self._heads = [_head(f"{folder}/{n}", size) for n, size in zip([parcel.INDEX, *names], sizes, strict=True)]
        self._starts = [0, *accumulate(BLOCK + size + -size % BLOCK for size in sizes)]
        self.size = self._starts[-1] + len(END)

    def shared(self, other: "Parcel") -> int:
        """How many objects are in both."""
        return len(self._keys & other._keys)

    def read(self, first: int, last: int) -> Iterator[bytes]:
        """The bytes from `first` to `last`, both included.  Raises: GoneError."""
        at = first
        while at <= last:
            member = bisect_right(self._starts, at) - 1
            data = self._member(member)
            part = data[at - self._starts[member] : last + 1 - self._starts[member]]
            yield part
            at += len(part)

    def _member(self, member: int) -> bytes:
        if member == len(self._heads):
            return END
        if member == 0:
            body = self._index
        else:
            listed = self._objects[member - 1]
            found = self._envelope(listed.number, listed.rung)
            if found is None or len(found) != HEAD_BYTES + listed.size:
                raise GoneError
            if hashlib.sha256(found[HEAD_BYTES:]).digest() != listed.sha256:
                raise GoneError
            body = found
        return self._heads[member] + body + bytes(-len(body) % BLOCK)


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)
