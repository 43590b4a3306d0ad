"""What a raw device looks like it holds, where no file system tells: sealed files and a database's pages."""

from collections.abc import Callable, Iterator
from pathlib import Path

from trapship.opencard import agestream, pages

BLOCK = agestream.BLOCK_BYTES  # where files begin on every file system of a Pi
MAX_SEALED_BYTES = 16 * 2**20 + 4096
MAX_WAL_BYTES = 256 * 2**20
STRIDE = 64 * 2**20  # between two words of progress


class Device:
    """A device or image, to read at any place; what cannot be read is zeros."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self.size = self._file.seek(0, 2)

    def read(self, at: int, size: int) -> bytes:
        """At most `size` bytes from there; block for block where the device has bad ones."""
        size = max(0, min(size, self.size - at))
        try:
            self._file.seek(at)
            return self._all(size)
        except OSError:
            if size <= BLOCK:
                return bytes(size)
            half = max(BLOCK, size // 2 // BLOCK * BLOCK)
            return self.read(at, half) + self.read(at + half, size - half)

    def _all(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._file.read(size)
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._file.close()


def look(device: Device, progress: Callable[[int], None]) -> Iterator[tuple[str, int]]:
    """("age" | "wal" | "leaf", offset) of what begins at a block as these do, from the first to the last."""
    step = 1 << 20
    for base in range(0, device.size, step):
        if base % STRIDE == 0:
            progress(base)
        part = device.read(base, step)
        if not part.strip(b"\0"):
            continue
        for at in range(0, len(part), BLOCK):
            first = part[at]
            if first == 0x61 and part.startswith(agestream.MAGIC, at):
                yield "age", base + at
            elif first == 0x37 and part[at : at + 4] in pages.WAL_MAGIC:
                yield "wal", base + at
            elif first == pages.LEAF or part.startswith(pages.DATABASE_MAGIC, at):
                yield "leaf", base + at


def near(device: Device, at: int) -> pages.Page:
    """The pages of a database of which one lies at `at`, were it in one piece: tried, not known."""
    return lambda number: device.read(at + (number - 1) * BLOCK, BLOCK) if number > 0 else None
