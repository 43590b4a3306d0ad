"""A file that gives no more than it is allowed: what a damaged video, or one made to harm, may cost in reading.

FFmpeg searches a damaged file for its next packet to the end, burst for burst anew, and holds a packet as large as its
head claims. Here the file simply ends for it once the allowance is spent.
"""

from dataclasses import dataclass
from pathlib import Path

# A packet is one picture: raw, of ten megapixels, 29 MiB. FFmpeg needs three times that for it. It is also the most
# that is searched for the next one, and that a file's head may have.
MAX_PACKET_BYTES = 32 * 2**20


@dataclass(kw_only=True)
class Allowance:
    """Bytes that may be read: `left` in all, `packet_left` until the next packet; `spent`: one of them ran out."""

    left: int
    packet_left: int = MAX_PACKET_BYTES
    spent: bool = False

    def next_packet(self) -> None:
        """A packet came: the next may cost as much again."""
        self.packet_left = MAX_PACKET_BYTES


class BoundedFile:
    """A file as FFmpeg reads it through PyAV; one that cannot be read further ends there."""

    def __init__(self, path: Path, allowance: Allowance) -> None:
        """Raises: OSError."""
        self.name = str(path)
        self._allowance = allowance
        self._file = path.open("rb", buffering=0)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end of the file, of the allowance, and of a card that fails."""
        allowance = self._allowance
        size = min(size, allowance.left, allowance.packet_left)
        if size <= 0:
            allowance.spent = True
            return b""
        try:
            data = self._file.read(size)
        except OSError:
            return b""
        allowance.left -= len(data)
        allowance.packet_left -= len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Raises: OSError, ValueError."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._file.tell()

    def seekable(self) -> bool:
        """It is an ordinary file."""
        return True

    def close(self) -> None:
        """Harmless when repeated."""
        self._file.close()
