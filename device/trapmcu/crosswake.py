"""The station's pair on one antenna: our PIR wakes the partner, its PIR wakes us (PROTOCOL.md section 12).

    where the antenna is   what ends it                                            next
    at the link            the link is idle, and a look is due or a wake to be said: tuned to the pair's channel
                             nobody is heard there, a wake is to be said           saying
                             nobody is heard there                                 at the link
                             somebody is                                           hearing
    saying                 the frame has left                                      at the link
    hearing                a frame has come, the channel is free, or too long      at the link

While the link sends or listens for an answer the antenna stays with it: a wake then waits, at most `LATE_MS`.
"""

import struct

from trapmcu.duty import Duty
from trapmcu.flash import load_heard, write_file
from trapmcu.radio import Antenna
from trapwire.errors import WireError
from trapwire.frame import Counter
from trapwire.hop import Bucket
from trapwire.linkkeys import key_name, parse_key
from trapwire.unitstates import UNKNOWN_DB
from trapwire.wake import CLOCK, LISTEN_MS, PIR, PREAMBLE, SF, SNIFF_MS, WAKE_US, PairClock, Wake, WakeKey

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Any

    from trapwire.frame import Cipher

PARTNER = 1  # of the causes in a WAKE message
BEAT_MS = 21600000  # six hours without a call of ours: the partner is told our clock
FIRST_BEAT_MS = 60000  # and soon after a start, at which it has changed
LATE_MS = 2000  # a cat crosses the view in about 4 s
GAP_MS = 5000  # a partner that was woken, or that woke us, is awake for so long
# The radio's own receive duty cycle: eight symbols of SF7 and a little. Once it has found a preamble, a look lasts for
# 2 * LOOK_MS + the sleep, which has to last to that preamble's end, 327.7 ms (as RadioLib reckons it).
LOOK_MS, EVERY_MS = 10, 320
_KEPT = ">Qqqqqb"
BURST_US = 12000000  # 31 wakes at once
PERMILLE = 10  # and 94 an hour
ASK_AGAIN_MS = 20  # on a busy link
POLL_MS = 5  # while the antenna is away from the link
LOOP_UNCERTAINTY_MS = 10  # of the PIR edge: one loop
FLOOR_QUARTER_DB = -30  # of SF7: trapwire.airtime.snr_floor_quarter_db

AT_LINK, SAYING, HEARING = 0, 1, 2


class CrossWake:
    """Counts of its own: `said`, `dropped`, `refused`. `clock`: the partner's against ours."""

    def __init__(
        self,
        board: "Any",
        settings: "dict[str, Any]",
        antenna: Antenna,
        duty: Duty,
        counter: Counter,
        cipher: "Callable[[bytes], Cipher]",
    ) -> None:
        self._board = board
        self._antenna = antenna
        self._duty = duty
        self._counter = counter
        station_key = parse_key(settings["station_key"])
        self._name = key_name(station_key)
        self._path = board.flash + "/pair"
        self._key = WakeKey(station_key, settings["trap"], cipher, load_heard(self._path, self._name))
        self._link_khz = settings["freq_khz"]
        self._khz = settings["wake_khz"] or settings["freq_khz"]
        self.link_sf = settings["sf"]
        self._bucket = Bucket(BURST_US, PERMILLE)
        self._where = AT_LINK
        self._edge_at: "int | None" = None  # a wake is to be said
        self._awake_until = 0
        self._sniff_at = 0
        self.beat_at = board.now_ms() + FIRST_BEAT_MS + board.random(8 * FIRST_BEAT_MS)
        self._until = 0
        self._woken = 0
        self.clock = PairClock()
        self.margin_db = UNKNOWN_DB  # at which the partner was heard last
        self.said = 0
        self.dropped = 0
        self.refused = 0

    @property
    def away(self) -> bool:
        """Whether the antenna is on the pair's channel."""
        return self._where != AT_LINK

    def wants(self) -> bool:
        """Whether a call is still to be made."""
        return self._edge_at is not None

    def listen_asleep(self) -> None:
        """The unit goes to sleep: the radio looks for the partner by itself."""
        self._antenna.listen_asleep(SF, self._khz, PREAMBLE, LOOK_MS, EVERY_MS)

    def called(self, now: int) -> None:
        """The partner's call has ended that sleep: it lies in the radio, which is still on the pair's channel."""
        self._where = HEARING
        self._until = now + LISTEN_MS
        self._antenna.assume(SF, PREAMBLE)

    def keep(self) -> bytes:
        """For a deep sleep that follows at once; `resume` goes on from there."""
        low, high, at = self.clock.bounds()
        return struct.pack(_KEPT, self.beat_at, self._key.heard, low, high, at, self.margin_db)

    def resume(self, kept: bytes) -> None:
        self.beat_at, self._key.heard, low, high, at, self.margin_db = struct.unpack(_KEPT, kept)
        self.clock.set_bounds(low, high, at)

    def edge(self, now: int) -> None:
        """Our PIR has seen something."""
        if now >= self._awake_until and self._edge_at is None:
            self._edge_at = now

    def woken(self) -> int:
        """How often the partner has called since the last time."""
        count, self._woken = self._woken, 0
        return count

    def deadline(self, now: int) -> int:
        if self.away or self._edge_at is not None:
            return now + POLL_MS
        return max(self._sniff_at, now + ASK_AGAIN_MS)  # overdue while the link sends or listens: no reason to spin

    def step(self, now: int, idle: bool) -> bool:
        """Do what is due; whether the antenna is on the pair's channel. `idle`: the link neither sends nor listens."""
        if self._where == SAYING and self._antenna.sending and not self._antenna.finished():
            return True
        if self._where == HEARING and not self._hear(now) and now < self._until and self._antenna.busy():
            return True
        if self.away:
            self._go_home()
        if self._edge_at is not None and now - self._edge_at > LATE_MS:
            self._edge_at = None
            self.dropped += 1
        if not idle or self._antenna.sending:
            return self.away
        if self._edge_at is not None or now >= self._sniff_at:
            if self._edge_at is None and self._antenna.busy():
                self._sniff_at = now + ASK_AGAIN_MS  # the link hears somebody, whose turn it has to know
            else:
                self._sniff_at = now + SNIFF_MS
                self._look(now)
        return self.away

    def _look(self, now: int) -> None:
        self._antenna.tune(SF, self._khz, PREAMBLE)
        self._where = HEARING
        self._until = now + LISTEN_MS
        if self._antenna.busy():
            return
        if self._edge_at is not None or now >= self.beat_at:
            edge_at, self._edge_at = self._edge_at, None
            if self._say(now, edge_at):
                self._where = SAYING
                return
        self._go_home()

    def _go_home(self) -> None:
        self._where = AT_LINK
        self._antenna.tune(self.link_sf, self._link_khz)

    def _say(self, now: int, edge_at: "int | None") -> bool:
        """Call the partner, or without an edge tell it our clock; whether that could be."""
        self.beat_at = now + BEAT_MS + self._board.random(BEAT_MS // 8)
        cause = CLOCK
        if edge_at is not None:
            cause = PIR
            self._awake_until = now + GAP_MS
        left_at = now + (WAKE_US + 999) // 1000
        try:
            may = self._bucket.take(WAKE_US, now) and not self._duty.wait_us(now, WAKE_US, False)
            if not may or not self._duty.book(now, WAKE_US):
                raise OSError("no room on the air, or in flash")
            age_ms = left_at - (now if edge_at is None else edge_at)
            frame = self._key.seal(self._counter.take(), Wake(left_at, age_ms, LOOP_UNCERTAINTY_MS, cause))
        except (OSError, WireError):
            self.dropped += 1
            return False
        self._antenna.send(frame)
        self.said += 1
        return True

    def _hear(self, now: int) -> bool:
        """Whether a frame has come, whoever's."""
        packet = self._antenna.received()
        if packet is None:
            return False
        try:
            wake = self._key.open(packet[0])
        except WireError:
            self.refused += 1
            return True
        self.clock.heard(wake.clock_ms, now)
        self.margin_db = (packet[2] - FLOOR_QUARTER_DB) // 4
        if wake.cause != CLOCK:
            self._woken += 1
            self._awake_until = now + GAP_MS
            self._edge_at = None  # what we wanted to say, the partner knows
        try:
            write_file(self._path, ("%s %d" % (self._name, self._key.heard)).encode())
        except OSError:
            self.dropped += 1  # flash is full: a reset forgets it, and this frame would wake us once more
        return True
