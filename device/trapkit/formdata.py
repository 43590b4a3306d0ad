"""multipart/form-data (RFC 7578), as a browser sends files: bytes in as they come, events out. Pure, and bounded."""

import re
from collections.abc import Generator, Iterator

MAX_HEAD_BYTES = 4096  # of one part
MAX_PARTS = 1000
BOUNDARY = re.compile(r'multipart/form-data\s*;.*\bboundary="?([A-Za-z0-9\'()+_,./:=? -]{1,70})"?\s*(?:;.*)?', re.I)
FILENAME = re.compile(rb'\bfilename="([^"]*)"', re.I)

Event = tuple[str, bytes]
"""("file", its name), ("data", bytes) any number of times, ("end", nothing). Fields that are no file give nothing."""


class FormError(ValueError):
    """What came is no form of ours."""


def boundary_of(content_type: str) -> bytes:
    """The boundary in a Content-Type.  Raises: FormError."""
    found = BOUNDARY.fullmatch(content_type.strip())
    if found is None or not found[1].strip():
        raise FormError("is not sent as a form with files (multipart/form-data)")
    return found[1].strip().encode()


class FormReader:
    """Feed it what comes; `done` when the form's end was there."""

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"\r\n--" + boundary
        self._held = b"\r\n"  # the first boundary has no line before it
        self._state = "preamble"
        self._is_file = False
        self._parts = 0

    @property
    def done(self) -> bool:
        """Whether the last boundary has come."""
        return self._state == "done"

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events in these bytes and in what was held.  Raises: FormError."""
        self._held += data
        moved = True
        while moved and self._state != "done":
            if self._state == "head":
                moved = yield from self._head()
            else:
                moved = yield from self._until_mark()

    def _until_mark(self) -> Generator[Event, None, bool]:
        at = self._held.find(self._mark)
        if at < 0:
            keep = len(self._mark) - 1  # what may be the beginning of one
            if self._state == "body" and self._is_file and len(self._held) > keep:
                yield "data", self._held[:-keep]
            self._held = self._held[-keep:]
            return False
        after = self._held[at + len(self._mark) :]
        if len(after) < 2:
            if self._state == "body" and self._is_file and at:
                yield "data", self._held[:at]
            self._held = self._held[at:]
            return False
        if self._state == "body" and self._is_file:
            if at:
                yield "data", self._held[:at]
            yield "end", b""
        self._held = after
        if after[:2] == b"--":
            self._state = "done"
            return False
        if after[:2] != b"\r\n":
            raise FormError("has a boundary that is none")
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise FormError(f"has more than {MAX_PARTS} files")
        self._state = "head"
        return True

    def _head(self) -> Generator[Event, None, bool]:
        end = self._held.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD_BYTES:
            if len(self._held) > MAX_HEAD_BYTES:
                raise FormError(f"has a file whose head has more than {MAX_HEAD_BYTES} bytes")
            return False
        found = FILENAME.search(self._held[:end])
        self._held = self._held[end + 4 :]
        self._is_file = found is not None and bool(found[1])
        self._state = "body"
        if self._is_file and found is not None:
            yield "file", found[1][:200]
        return True
