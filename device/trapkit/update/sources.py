"""Where a release comes from: anything that gives files by the names that they have in a TUF repository.

`metadata/timestamp.json`, `metadata/3.root.json`, `targets/model/2026.12.1/SHA256.model.zip` … A source is not trusted
with anything: what it gives is proved, counted and timed by who asks.
"""

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

CHUNK_BYTES = 1 << 16
# A source that gives less is not waited for. At 1 kB/s a part of 5 MB takes an hour and a half of a unit's battery.
LEAST_BYTES_PER_S = 1_000
GRACE_MS = 30_000  # for a network that has to wake, a stick that spins up
MOST_MS = 30 * 60_000  # for one try; what came is kept, and the next goes on


class Source(Protocol):
    """A stick, a phone, a base's mirror, a network."""

    def fetch(self, name: str, max_bytes: int, start: int = 0) -> Iterator[bytes]:
        """The file's bytes from `start` on; of a file larger than max_bytes it may give what it likes.

        Each wait inside has an end.  Raises: FileNotFoundError when it has none; another OSError when it broke off.
        """
        ...


class FolderSource:
    """A repository's folder: on a stick, on a card, where a phone's parcel was unpacked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, name: str, max_bytes: int, start: int = 0) -> Iterator[bytes]:
        steps = PurePosixPath(name).parts
        if not steps or name.startswith("/") or ".." in steps:
            raise FileNotFoundError(name)
        path = self._folder.joinpath(*steps)
        if not path.is_file():  # also a pipe or a device, which would never end
            raise FileNotFoundError(str(path))
        left = max_bytes + 1 - start
        with path.open("rb") as file:
            file.seek(start)
            while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk


class TooSlow(Exception):  # noqa: N818
    """A source gives so little that it is not waited for (slow retrieval)."""


class Pace:
    """Counts what comes in one try. monotonic_ms: a clock that nobody sets."""

    def __init__(self, monotonic_ms: Callable[[], int]) -> None:
        self._monotonic_ms = monotonic_ms
        self._began_ms = monotonic_ms()
        self._file_ms = self._began_ms
        self._came = 0

    def next_file(self) -> None:
        """Another file begins."""
        self._file_ms = self._monotonic_ms()
        self._came = 0

    def came(self, count: int) -> None:
        """So many bytes came.  Raises: TooSlow."""
        now_ms = self._monotonic_ms()
        self._came += count
        if now_ms - self._began_ms > MOST_MS:
            raise TooSlow(f"{MOST_MS // 60_000} minutes are over")
        late_ms = now_ms - self._file_ms - GRACE_MS
        if late_ms > 0 and self._came < LEAST_BYTES_PER_S * late_ms // 1000:
            raise TooSlow(f"{self._came} bytes in {(now_ms - self._file_ms) // 1000} s")
