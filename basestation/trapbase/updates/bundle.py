"""The mirror as one tar, for the ranger's phone: the release that shall run and every permission, never made as a file.

Its size and every byte follow from what lay there when it was asked for: lists and permissions are held in memory, the
files of a release are named by their digests. So a copy that broke off goes on where it stopped (`Range`, `If-Range`),
also when somebody was permitted something meanwhile; what it has then is what a phone has that left a little earlier.
What a trap does with it: `trapcam.service.bringing`.
"""

import hashlib
import tarfile
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from trapbase.updates.names import NAMES

CHUNK_BYTES = 1 << 16
BLOCK = 512
END = bytes(2 * BLOCK)
LARGE = "targets/"  # files of a release: their names say what is in them
MOST_HELD_BYTES = 8 << 20  # of all else: lists of a few kB, and a permission of 95 bytes for each trap


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file: its name in the tar, its size, and where its bytes are: here, or in a file of the mirror."""

    name: str
    size: int
    path: Path
    data: bytes | None = None

    def read(self, start: int) -> Iterator[bytes]:
        """From `start` on, pieces of at most `CHUNK_BYTES`.  Raises: OSError when the file is another one by now."""
        if self.data is not None:
            yield self.data[start:]
            return
        left = self.size - start
        with self.path.open("rb") as file:
            file.seek(start)
            while left > 0 and (data := file.read(min(CHUNK_BYTES, left))):
                left -= len(data)
                yield data
        if left:
            raise OSError(f"{self.path}: has become shorter")


class Bundle:
    """The tar of `members`; `size`: of all of it, bytes; `tag`: the same for the same bytes alone (an ETag)."""

    def __init__(self, members: tuple[Member, ...]) -> None:
        self._members = members
        self._starts = [0, *accumulate(BLOCK + m.size + -m.size % BLOCK for m in members)]
        self.size = self._starts[-1] + len(END)
        digest = hashlib.sha256()
        for member in members:
            held = b"" if member.data is None else hashlib.sha256(member.data).digest()
            digest.update(f"{member.name} {member.size}\n".encode() + held)
        self.tag = f'"{digest.hexdigest()[:32]}"'

    def read(self, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """The bytes from `first` to `last`, both included. A file that is gone, or another one by now, ends it short:
        the phone sees that it is not whole.  Raises: OSError."""
        end = self.size if last is None else last + 1
        at = first
        while at < end:
            number = bisect_right(self._starts, at) - 1
            for piece in self._part(number, at - self._starts[number]):
                yield piece[: end - at]
                at += len(piece)
                if at >= end:
                    return

    def _part(self, number: int, start: int) -> Iterator[bytes]:
        """A member with its head and its padding, from `start` on; behind the last one the end."""
        if number == len(self._members):
            yield END[start:]
            return
        member = self._members[number]
        if start < BLOCK:
            info = tarfile.TarInfo(member.name)
            info.size, info.mode = member.size, 0o644
            yield info.tobuf(tarfile.USTAR_FORMAT)[start:]
        if member.size and start < BLOCK + member.size:
            yield from member.read(max(0, start - BLOCK))
        if padding := bytes(-member.size % BLOCK)[max(0, start - BLOCK - member.size) :]:
            yield padding


def bundle_of(folder: Path) -> Bundle | None:
    """What a mirror holds now; None while it holds no release. `timestamp.json` stands last, as it is written last.

    Raises: OSError, also for lists that are larger than any are.
    """
    if not (folder / "metadata" / "timestamp.json").is_file():
        return None
    found, held = [], 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not NAMES.fullmatch(name) or not path.is_file() or path.is_symlink():
            continue
        if name.startswith(LARGE):
            found.append(Member(name=name, path=path, size=path.stat().st_size))
            continue
        held += path.stat().st_size
        if held > MOST_HELD_BYTES:
            raise OSError(f"{folder}: its lists have more than {MOST_HELD_BYTES} bytes")
        data = path.read_bytes()
        found.append(Member(name=name, path=path, size=len(data), data=data))
    found.sort(key=lambda member: member.name == "metadata/timestamp.json")
    return Bundle(tuple(found))
