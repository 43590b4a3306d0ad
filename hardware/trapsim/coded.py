"""What a perfect erasure code would bring beside our repeats: the bound of decision 009, no protocol of ours.

The object's own pieces, then in each later turn as many new ones as are missing: whichever arrive, as many as the
object has make it whole. Real codes need a little more. Sending some more in each turn for those that will be lost
costs airtime (decision 009). Frames, heads, windows and waits are those of the selective repeat that stands beside it;
the base is told the object, since what it would compute from the pieces is not what is measured.
"""

from collections.abc import Callable

from trapsim.arq import ADDRESS, ArqBase, ArqTrap, Waits
from trapsim.keyed import frame_cipher
from trapwire.errors import WireError
from trapwire.fragments import MAX_PIECES
from trapwire.frame import FRAGMENT, PIECE, Frame, decode_frame, encode_frame


class CodedTrap(ArqTrap):
    """The sender. Its report says only how many different pieces have arrived."""

    def __init__(self, envelope: bytes, frame_bytes: int, waits: Waits, seed: int) -> None:
        super().__init__(envelope, frame_bytes, MAX_PIECES, waits, seed)
        self._next = self._cut.total

    def on_frame(self, frame: bytes, now: int) -> None:
        """Take a report."""
        try:
            report = decode_frame(frame, frame_cipher(ADDRESS, True))
        except WireError:
            return
        arrived = int.from_bytes(report.payload[:2], "big")
        self._silent, self._listen_until = 0, None
        missing = self._cut.total - arrived
        if missing <= 0:
            self.finished_ms = now
            return
        self._todo = list(range(self._next, self._next + missing))
        self._next += missing

    def next_frame(self, now: int, busy: bool) -> bytes | None:
        if self._listen_until is not None or busy:
            return super().next_frame(now, busy)
        index = self._todo.pop(0)
        self._last = index if not self._todo else None
        poll = not self._todo
        shape = index if index < self._cut.total else 0  # the object's own pieces first; a coded one is as long as any
        whole = self._cut.fragment(shape) if poll else self._cut.piece(shape)
        number = index.to_bytes(2, "big")
        kind = FRAGMENT if poll else PIECE
        frame = Frame(kind, False, poll, ADDRESS, self._counter.take(), number + whole[2:])
        return encode_frame(frame, frame_cipher(ADDRESS, False))


class CodedBase(ArqBase):
    """The receiver of `envelope`, which has `pieces` pieces."""

    def __init__(self, envelope: bytes, pieces: int, committed: Callable[[bytes, int], None]) -> None:
        super().__init__(pieces, committed)
        self._envelope = envelope
        self._pieces = pieces

    def on_frame(self, frame: bytes, now: int) -> None:
        """Count a piece."""
        try:
            got = decode_frame(frame, frame_cipher(ADDRESS, False), self._heard)
        except WireError:
            return
        self._heard = got.counter
        self._held[int.from_bytes(got.payload[:2], "big")] = b""
        self._arrived(len(self._held) >= self._pieces, got.flag, now)

    def _whole(self) -> bytes:
        return self._envelope

    def _report(self) -> bytes:
        return min(len(self._held), self._pieces).to_bytes(2, "big")
