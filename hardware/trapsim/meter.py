"""Where the time on the air goes, frame by frame. All in microseconds of airtime; `idle` in ms between frames."""

from collections import Counter
from collections.abc import Callable

from trapsim.ether import BASE
from trapsim.keyed import frame_cipher
from trapwire.airtime import airtime_us
from trapwire.fragments import piece_room, read_fragment, read_piece
from trapwire.frame import ACK, ASK, FRAGMENT, HAVE, PIECE, Frame, decode_frame, peek_frame, tag_bytes
from trapwire.objects import HEAD_BYTES

# What `Meter.shares_us` holds; together they are the whole airtime.
SHARES = {
    "object": "the object's own bytes, arrived for the first time",
    "preambles": "preambles and LoRa headers of these frames",
    "frame_heads": "their frame and fragment heads",
    "tags": "their tags",
    "envelope": "the object's envelope: key and digest",
    "lost": "fragments lost on the air",
    "repeats": "fragments that had arrived before",
    "reports": "the base's reports of what it has",
    "acknowledgements": "acknowledgements",
    "questions": "the trap's questions after silence",
    "other": "alerts and heartbeats",
}
# What `Meter.idle_ms` holds: the quiet before a frame, by what it waited for.
IDLE = {
    "turnaround": "from one frame of a turn to the next, and from poll to answer",
    "unanswered": "reply windows that stayed silent, and the pauses after them",
    "between_turns": "after an answer, before the trap's next frame",
}


class Meter:
    """Watches the air (`trapsim.ether.Watch`) for one object of one trap, in frames of at most `frame_bytes`."""

    def __init__(self, sf: int, frame_bytes: int, start_ms: int, tuned: Callable[[int], int] | None = None) -> None:
        self.frames = 0
        self.frames_lost = 0
        self.bytes_on_air = 0
        self.airtime_us = 0
        self.shares_us: Counter[str] = Counter(dict.fromkeys(SHARES, 0))
        self.idle_ms: Counter[str] = Counter(dict.fromkeys(IDLE, 0))
        self._tuned = tuned or (lambda _: sf)
        self._took: dict[bytes, int] = {}  # spreading factor of the frames in the air
        self._room = piece_room(frame_bytes)
        self._arrived: set[tuple[int, int]] = set()
        self._on_air: dict[bytes, Frame] = {}
        self._counters: dict[tuple[int, bool], int] = {}
        self._last = b""
        self._decoded: Frame | None = None  # that last frame
        self._quiet_since = start_ms

    def on_sent(self, sender: int, frame: bytes, start: int, end: int) -> None:
        """Count a frame: all of it as lost until it is heard."""
        self.frames += 1
        self.frames_lost += 1
        self.bytes_on_air += len(frame)
        sf = self._took[frame] = self._tuned(sender)
        micros = airtime_us(len(frame), sf)
        self.airtime_us += micros
        head = peek_frame(frame)
        sent = head.address, head.down
        decoded = decode_frame(
            frame, frame_cipher(*sent), self._counters.get(sent, 0)
        )  # simulated counters begin at 0 or 1
        self._counters[sent] = decoded.counter
        self._on_air[frame] = decoded
        self.shares_us[self._share_unheard(decoded)] += micros
        self.idle_ms[self._waited_for(sender)] += start - self._quiet_since
        self._last, self._decoded, self._quiet_since = frame, decoded, end

    def on_heard(self, receiver: int, frame: bytes, now: int) -> None:
        """A frame has reached the other end."""
        decoded, sf = self._on_air.pop(frame), self._took.pop(frame)
        self.frames_lost -= 1
        if decoded.kind not in (FRAGMENT, PIECE) or decoded.down:
            return
        size = len(frame)
        micros = airtime_us(size, sf)
        self.shares_us["lost"] -= micros
        told = (read_fragment if decoded.kind == FRAGMENT else read_piece)(decoded.payload)
        if (told.short, told.index) in self._arrived:
            self.shares_us["repeats"] += micros
            return
        self._arrived.add((told.short, told.index))
        bare = airtime_us(0, sf)
        tag = tag_bytes(decoded.kind)
        piece = len(told.data)
        heads = size - tag - piece
        envelope = max(0, min(HEAD_BYTES - told.index * self._room, piece))
        parts = {"frame_heads": heads, "tags": tag, "envelope": envelope, "object": piece - envelope}
        self.shares_us["preambles"] += bare
        left = micros - bare
        for name, length in parts.items():
            share = (micros - bare) * length // size if name != "object" else left
            self.shares_us[name] += share
            left -= share

    def _waited_for(self, sender: int) -> str:
        last = self._decoded
        if last is None or sender == BASE or not (last.down or last.flag):
            return "turnaround"
        return "unanswered" if not last.down or self._last in self._on_air else "between_turns"

    @staticmethod
    def _share_unheard(frame: Frame) -> str:
        if frame.kind in (FRAGMENT, PIECE) and not frame.down:
            return "lost"
        return {HAVE: "reports", ACK: "acknowledgements", ASK: "questions"}.get(frame.kind, "other")

    def shares_ms(self) -> dict[str, int]:
        """Every share in ms."""
        return {name: round(us / 1000) for name, us in self.shares_us.items()}
