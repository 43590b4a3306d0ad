"""The repeater's rules: bytes and `now` in, bytes and a deadline out (PROTOCOL.md section 11).

    heard                                            does
    wrapped, authentic, new, hops 0, up              waits a moment, then goes on wrapped with hops 1
    wrapped, authentic, new, hops 0, down            waits a moment, then its inner frame goes on as it is
    wrapped, hops 1, and a frame that is not wrapped is never carried; it ends the wait of
                                                     the frame that it answers, or is
    anything else                                    counted

One frame a trap and direction waits at most. A frame is carried once or not at all: what is lost the link mends.
"""

from trapwire.airtime import airtime_us
from trapwire.errors import CAUSES, REPLAYED, RefusedError, WireError, cause_of
from trapwire.frame import FRAGMENT, PIECE, Frame, peek_frame
from trapwire.hop import HOP_BYTES, Bucket, HopKey, find_key, inner_of, is_wrapped

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

START_MIN_MS = 10  # the source's radio turns round, its channel activity detection finds us
START_MAX_MS = 50  # of which a random part: two repeaters that serve the same trap do not begin at once
ASK_AGAIN_MS = 10  # on a busy channel
LATE_MS = 500  # a frame that could not go by then is dropped: its trap has gone on
RESERVE_TENTHS = 1  # of a trap's airtime are kept from pieces, for alerts and answers


class _Waiting:
    def __init__(self, frame: bytes, begin: int, latest: int, counter: int, long: bool) -> None:
        self.frame = frame
        self.begin = begin
        self.latest = latest
        self.counter = counter
        self.long = long


class Relay:
    """Carries the frames of the traps in `keys` (at most `hop.MAX_TRAPS`), each within its own share of the air.

    frame_bytes: the largest frame of the plan; burst_s, permille: airtime that one trap may cause, at once and as a
    share of time; `random(n)` a whole number below n. `counts`: what was not carried, by cause (`errors.CAUSES`),
    and `over_rate`, `late`, `answered`; `carried` frames.
    """

    def __init__(
        self,
        keys: "dict[int, HopKey]",
        frame_bytes: int,
        sf: int,
        burst_s: int,
        permille: int,
        random: "Callable[[int], int]",
    ) -> None:
        self._keys = keys
        self._frame_bytes = frame_bytes
        self._sf = sf
        self._random = random
        self._burst_us = burst_s * 1000000
        self._buckets = {trap: Bucket(self._burst_us, permille) for trap in keys}
        self._waiting: "dict[tuple[int, bool], _Waiting]" = {}  # by trap, and whether it goes down
        self._ask_at = 0
        self.counts = dict.fromkeys(CAUSES, 0)
        self.counts.update({"over_rate": 0, "late": 0, "answered": 0})
        self.carried = 0

    def on_frame(self, data: bytes, now: int) -> None:
        """Take a frame from the air. Garbage and strangers raise nothing."""
        try:
            if is_wrapped(data):
                self._on_wrapped(data, now)
            else:
                self._on_plain(peek_frame(data))
        except WireError as error:
            self.counts[cause_of(error)] += 1

    def _on_wrapped(self, data: bytes, now: int) -> None:
        key = find_key(self._keys, data)
        wrapped = key.unwrap(data)
        if wrapped.hopped:
            self._settle(wrapped.trap, wrapped.down, wrapped.counter)  # another repeater was quicker
            return
        if wrapped.again:
            raise RefusedError(REPLAYED, "this frame was carried")
        if wrapped.down:
            self._settle(wrapped.trap, False, None)  # the base has heard its trap without us
        frame = wrapped.inner if wrapped.down else key.wrap(wrapped.inner, wrapped.counter, True)
        if len(frame) > self._frame_bytes:
            raise WireError("wrapped frame of %d bytes, the plan allows %d" % (len(frame), self._frame_bytes))
        begin = now + START_MIN_MS + self._random(START_MAX_MS - START_MIN_MS + 1)
        long = wrapped.kind in (FRAGMENT, PIECE)
        self._waiting[wrapped.trap, wrapped.down] = _Waiting(frame, begin, now + LATE_MS, wrapped.counter, long)

    def _on_plain(self, head: Frame) -> None:
        """Nothing is proved, and nothing carried. A header that somebody invents costs a frame, as noise would."""
        if not head.down:
            return
        waiting = self._waiting.get((head.address, True))
        if waiting is not None and waiting.counter & 0xFFFF == head.counter & 0xFFFF:
            self._settle(head.address, True, None)  # another repeater sent it on
        self._settle(head.address, False, None)  # the base answers its trap, which needs us not

    def _settle(self, trap: int, down: bool, counter: "int | None") -> None:
        waiting = self._waiting.get((trap, down))
        if waiting is not None and counter in (None, waiting.counter):
            del self._waiting[trap, down]
            self.counts["answered"] += 1

    def next_frame(self, now: int, busy: bool) -> "bytes | None":
        """The frame to send now, or None. `busy`: somebody is heard on the channel."""
        for name in sorted(self._waiting, key=lambda n: self._waiting[n].begin):
            waiting = self._waiting[name]
            if now < waiting.begin:
                return None
            if busy and now < waiting.latest:
                self._ask_at = now + ASK_AGAIN_MS
                return None
            del self._waiting[name]
            if now >= waiting.latest:
                self.counts["late"] += 1
            elif not self._may(name[0], waiting, now):
                self.counts["over_rate"] += 1
            else:
                self.carried += 1
                return waiting.frame
        return None

    def _may(self, trap: int, waiting: _Waiting, now: int) -> bool:
        reserve = self._burst_us * RESERVE_TENTHS // 10 if waiting.long else 0
        return self._buckets[trap].take(airtime_us(len(waiting.frame), self._sf), now, reserve)

    def deadline(self) -> "int | None":
        """When `next_frame` may have something, or None while nothing waits."""
        if not self._waiting:
            return None
        return max(min(w.begin for w in self._waiting.values()), self._ask_at)


def relay_ms(size: int, sf: int) -> int:
    """How long after a frame of `size` bytes has ended its copy has ended too, wherever the repeater began."""
    return START_MAX_MS + START_MIN_MS + (airtime_us(size + HOP_BYTES, sf) + 999) // 1000


def overheard(data: bytes) -> bytes:
    """The link's own frame in what was heard, wrapped or not."""
    return inner_of(data) if is_wrapped(data) else data
