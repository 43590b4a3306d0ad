"""What is in a tar: plain files, one after the other, as places in it; nothing is ever unpacked by its name. Pure but
for the file that is handed in.

The ranger's page makes ustar (POSIX.1-1988) of plain files only; a person may have made another with a program. Folders
and extended headers are passed over, whatever else is no plain file is named. A tar that a phone did not get to its end
is good as far as its members are whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

BLOCK = 512
NAME_BYTES = 100
MAX_MEMBERS = 1_000_000
FILES = (b"0", b"\0", b"7")
PASSED_OVER = (b"5", b"x", b"g", b"L", b"K")  # folders; long names and other words about the next member


class NotATarError(ValueError):
    """The first block is no header of a tar."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """`start` and `size`: where its bytes lie in the tar; `refusal`: why they are not to be read, or nothing."""

    name: str
    start: int
    size: int
    refusal: str = ""

    @property
    def is_cut(self) -> bool:
        """Whether the header had no room for all of its name."""
        return len(self.name) >= NAME_BYTES - 1


def members(file: IO[bytes], total: int) -> Iterator[Member]:
    """The members of a tar of `total` bytes, in its order.

    Raises: NotATarError before the first one; OSError from the file.
    """
    at = 0
    for count in range(MAX_MEMBERS):
        file.seek(at)
        head = file.read(BLOCK)
        if count and (len(head) < BLOCK or head == bytes(BLOCK)):
            return
        size = _size(head)
        if size is None or not _is_whole(head):
            if not count:
                raise NotATarError("is no tar")
            yield Member(
                name=f"after {at} bytes", start=at, size=0, refusal="there is no member here: the tar is damaged"
            )
            return
        kind, name = head[156:157], _name(head)
        start = at + BLOCK
        at = start + size + -size % BLOCK
        if kind in PASSED_OVER:
            continue
        if kind not in FILES:
            yield Member(name=name, start=start, size=0, refusal="is no plain file")
        elif start + size > total:
            yield Member(name=name, start=start, size=0, refusal="is cut off: the tar ends before")
            return
        else:
            yield Member(name=name, start=start, size=size)


def _size(head: bytes) -> int | None:
    """Octal, as ustar has it; nothing of ours is as large as what needs another form."""
    text = head[124:136].strip(b" \0")
    return int(text, 8) if len(head) == BLOCK and text and all(c in b"01234567" for c in text) else None


def _is_whole(head: bytes) -> bool:
    """Whether the header's own sum holds: unsigned, or signed as old programs made it."""
    text = head[148:156].strip(b" \0")
    if not text or not all(c in b"01234567" for c in text):
        return False
    rest = head[:148] + b" " * 8 + head[156:]
    signed = sum(c - 256 if c > 127 else c for c in rest)
    return int(text, 8) in (sum(rest), signed)


def _name(head: bytes) -> str:
    name, prefix = head[:NAME_BYTES].split(b"\0")[0], head[345:500].split(b"\0")[0]
    text = (prefix + b"/" + name if prefix and head[257:262] == b"ustar" else name).decode("ascii", "backslashreplace")
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
