"""The textbook's two protocols, to measure ours beside: stop-and-wait, and selective repeat.

One machine with a window: 1 piece is stop-and-wait, `WINDOW` pieces selective repeat. The trap sends what is missing of
the window, the last piece with poll; the base reports the first missing piece and, where the window is wider than
one, a bitmap; the window moves on to the first missing piece. Silence brings the polled piece again. A report of
everything waits for ingest's commit, and ends the transfer. Frames, headers, pieces and tags are ours; the report is
four bytes shorter than ours, since there is only one transfer. Nothing is left out that would make them slower, and
nothing added: no pause for other traps between two turns.
"""

import random
import struct
from collections.abc import Callable

from trapsim.ether import BASE_TURNAROUND_MS, COMMIT_MS, SEED_STEP, TRAP_TURNAROUND_MS
from trapsim.keyed import frame_cipher
from trapwire.errors import WireError
from trapwire.fragments import UNKNOWN, Cut, read_fragment, read_piece
from trapwire.frame import FRAGMENT, HAVE, PIECE, Counter, Frame, decode_frame, encode_frame
from trapwire.linktimes import LinkTimes
from trapwire.traplink import MAX_TURN_PIECES

WINDOW = MAX_TURN_PIECES
ADDRESS = 1
USUAL_WINDOW_MS = 1500  # as our own link had it before version 3


class Waits:
    """window_ms: for an answer; pause_ms: the longest first pause after silence, doubled up to pause_max_ms."""

    def __init__(self, window_ms: int, pause_ms: int, pause_max_ms: int) -> None:
        self.window_ms = window_ms
        self.pause_ms = pause_ms
        self.pause_max_ms = pause_max_ms

    @classmethod
    def like_ours(cls) -> "Waits":
        """The reply window and the pauses of `trapwire`'s link."""
        ours = LinkTimes()
        return cls(ours.reply_window_ms, ours.pause_ms, ours.pause_max_ms)

    @classmethod
    def usual(cls) -> "Waits":
        """A fixed window long enough for any answer, and our pauses."""
        ours = LinkTimes()
        return cls(USUAL_WINDOW_MS, ours.pause_ms, ours.pause_max_ms)

    @classmethod
    def shortest(cls, report_ms: int) -> "Waits":
        """No longer than a report of `report_ms` and the last piece's commit take, and no pause: alone on the air."""
        return cls(BASE_TURNAROUND_MS + COMMIT_MS + report_ms + 1, 0, 0)


class ArqTrap:
    """The sender of one envelope. `finished_ms`: when it knew of the commit."""

    turnaround_ms = TRAP_TURNAROUND_MS

    def __init__(self, envelope: bytes, frame_bytes: int, window: int, waits: Waits, seed: int) -> None:
        self.finished_ms: int | None = None
        self._cut = Cut(envelope, frame_bytes)
        self._window = window
        self._waits = waits
        self._counter = Counter(1, lambda _: None)
        self._random = random.Random(seed * SEED_STEP + ADDRESS)  # noqa: S311 - pauses, repeatable
        self._todo = list(range(min(window, self._cut.total)))
        self._last: int | None = None  # the piece of the frame in the air, if it polls
        self._listen_until: int | None = None
        self._hold_until = 0
        self._silent = 0

    def on_frame(self, frame: bytes, now: int) -> None:
        try:
            report = decode_frame(frame, frame_cipher(ADDRESS, True))
        except WireError:
            return
        start = struct.unpack(">H", report.payload[:2])[0]
        total = self._cut.total
        self._silent = 0
        self._listen_until = None
        if start == total:
            self.finished_ms = now
        bits = int.from_bytes(report.payload[2:], "big") << 1
        width = 8 * (len(report.payload) - 2)
        held = {start + 1 + i for i in range(width) if bits >> width - i & 1}
        self._todo = [i for i in range(start, min(start + self._window, total)) if i not in held]

    def next_frame(self, now: int, busy: bool) -> bytes | None:
        if self._listen_until is not None:
            self._listen_until = None
            pause = min(self._waits.pause_ms << min(self._silent, 10), self._waits.pause_max_ms)
            self._silent += 1
            self._hold_until = now + (1 + self._random.randrange(pause) if pause else 0)
            return None
        if busy:
            return None
        piece = self._todo.pop(0)
        self._last = piece if not self._todo else None
        poll = not self._todo
        payload = self._cut.fragment(piece) if poll else self._cut.piece(piece)
        frame = Frame(FRAGMENT if poll else PIECE, False, poll, ADDRESS, self._counter.take(), payload)
        return encode_frame(frame, frame_cipher(ADDRESS, False))

    def sent(self, now: int) -> None:
        if self._last is not None:
            self._listen_until = now + self._waits.window_ms
            self._todo = [self._last]

    def deadline(self, now: int) -> int | None:
        if self.finished_ms is not None:
            return None
        return self._listen_until if self._listen_until is not None else max(now, self._hold_until)


class ArqBase:
    """The receiver of one envelope. `committed(envelope, ms)` is called once, when it is whole and durable."""

    turnaround_ms = BASE_TURNAROUND_MS

    def __init__(self, window: int, committed: Callable[[bytes, int], None]) -> None:
        self._window = window
        self._committed = committed
        self._counter = Counter(1, lambda _: None)
        self._held: dict[int, bytes] = {}
        self._total = UNKNOWN
        self._heard = 0
        self._whole_at: int | None = None  # when ingest will have committed
        self._is_committed = False
        self._reply_at: int | None = None

    def on_frame(self, frame: bytes, now: int) -> None:
        try:
            got = decode_frame(frame, frame_cipher(ADDRESS, False), self._heard)
        except WireError:
            return
        self._heard = got.counter
        piece = (read_fragment if got.kind == FRAGMENT else read_piece)(got.payload)
        self._held[piece.index] = piece.data
        self._total = max(self._total, piece.total)
        self._arrived(len(self._held) == self._total, got.flag, now)

    def _arrived(self, whole: bool, poll: bool, now: int) -> None:
        if whole and self._whole_at is None:
            self._whole_at = now + COMMIT_MS
        if poll:
            self._reply_at = now if self._whole_at is None else max(now, self._whole_at)

    def next_frame(self, now: int, busy: bool) -> bytes | None:
        if busy:
            return None
        self._reply_at = None
        if self._whole_at is not None and not self._is_committed:
            self._is_committed = True
            self._committed(self._whole(), self._whole_at)
        frame = Frame(HAVE, True, False, ADDRESS, self._counter.take(), self._report())
        return encode_frame(frame, frame_cipher(ADDRESS, True))

    def _whole(self) -> bytes:
        return b"".join(self._held[i] for i in sorted(self._held))

    def _report(self) -> bytes:
        """The first missing piece, and a bit for each of the window's pieces behind it as far as some are here."""
        start = next(i for i in range(len(self._held) + 1) if i not in self._held)
        behind = [i - start - 1 for i in self._held if i > start]
        width = (max(behind) // 8 + 1) if behind and self._window > 1 else 0
        bits = sum(1 << (8 * width - 1 - i) for i in behind) if width else 0
        return struct.pack(">H", start) + bits.to_bytes(width, "big")

    def sent(self, now: int) -> None:
        """Nothing more to say."""

    def deadline(self, now: int) -> int | None:
        return self._reply_at
