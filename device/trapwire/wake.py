"""The station's pair: a wake frame, and what it tells of the partner's clock (PROTOCOL.md section 12).

byte 0     version 3 | kind 12
bytes 1–2  the trap that says it
bytes 3–6  counter, of the same count as its link's frames
payload    9 bytes, encrypted: clock u40 (ms of the sender's clock when the frame has left), age u16 (ms from trigger
           to then), uncertainty of that u8 (as in an alert), cause u8
tag        8 bytes

Preamble and sniffing. A partner looks every `SNIFF_MS` whether there is a preamble: 320 symbols of SF7 last 327.7 ms,
so that a look falls into them, with 77 ms to spare for a busy loop and the radio's switch. The frame is 381.2 ms on the
air; the partner has it within 0.4 s. A look takes about 3.5 ms (retuning, two symbols of activity detection) at 5 mA:
70 uA on average, where listening all the time would be 5 mA.
"""

import hashlib
import struct

from trapwire.airtime import airtime_us
from trapwire.alert import decode_uncertainty, encode_uncertainty
from trapwire.errors import FORGED, REPLAYED, RefusedError, WireError
from trapwire.frame import VERSION

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

    from trapwire.frame import Cipher

KIND = 12
SF = 7
PREAMBLE = 320
SNIFF_MS = 250
LABEL = b"pugmark-wake-1\x00"
HEAD_BYTES = 7
TAG_BYTES = 8
WAKE_BYTES = HEAD_BYTES + 9 + TAG_BYTES
WAKE_US = airtime_us(WAKE_BYTES, SF, preamble=PREAMBLE)
LISTEN_MS = WAKE_US // 1000 + 20  # from a look that found a preamble until its frame has come
PIR = 0  # causes of a call
CLOCK = 255  # none: it tells the clock, and wakes nobody
NEVER = -1
DRIFT_PPM = 50  # between two clocks of +-20 ppm each, and some for the cold
DELAY_MS = 60  # at most from a frame's end until its receiver has read it: one loop of a busy unit
EARLY_MS = 3  # by as much a sender may be wrong about when its frame will have left
_CLOCK_MASK = (1 << 40) - 1


class Wake:
    """What the partner says. clock_ms: its clock when this frame left; age_ms: since the trigger; None: not known."""

    def __init__(self, clock_ms: int, age_ms: int, uncertainty_ms: "int | None", cause: int) -> None:
        self.clock_ms = clock_ms
        self.age_ms = age_ms
        self.uncertainty_ms = uncertainty_ms
        self.cause = cause


class WakeKey:
    """One trap's use of its station's key, 16 random bytes that only the two traps of a station have.

    heard: the greatest counter of the partner; whoever made this remembers it for the next run.
    """

    def __init__(self, station_key: bytes, trap: int, cipher: "Callable[[bytes], Cipher]", heard: int = NEVER) -> None:
        self.heard = heard
        self._trap = trap
        self._cipher = cipher(hashlib.sha256(LABEL + station_key).digest()[:16])

    def seal(self, counter: int, wake: Wake) -> bytes:
        """The frame; `counter` was never used before."""
        head = struct.pack(">BHI", VERSION << 6 | KIND, self._trap, counter)
        clock = struct.pack(">Q", wake.clock_ms & _CLOCK_MASK)[3:]
        age = min(max(wake.age_ms, 0), 0xFFFF)
        payload = clock + struct.pack(">HBB", age, encode_uncertainty(wake.uncertainty_ms), wake.cause)
        return head + self._cipher.seal(_nonce(head), head, payload, TAG_BYTES)

    def open(self, data: bytes) -> Wake:
        """The partner's word, authentic and new.  Raises: WireError, RefusedError."""
        if len(data) != WAKE_BYTES or data[0] != VERSION << 6 | KIND:
            raise WireError("no wake frame: %d bytes" % len(data))
        head = bytes(data[:HEAD_BYTES])
        payload = self._cipher.open(_nonce(head), head, bytes(data[HEAD_BYTES:]), TAG_BYTES)
        if payload is None:
            raise RefusedError(FORGED, "wake frame's tag does not fit")
        _, trap, counter = struct.unpack(">BHI", head)
        if trap == self._trap or counter <= self.heard:
            raise RefusedError(REPLAYED, "wake frame %d of trap %d, heard was %d" % (counter, trap, self.heard))
        self.heard = counter
        clock = struct.unpack(">Q", bytes(3) + payload[:5])[0]
        age, uncertainty, cause = struct.unpack(">HBB", payload[5:])
        return Wake(clock, age, decode_uncertainty(uncertainty), cause)


def _nonce(head: bytes) -> bytes:
    return b"\x02" + head[1:] + bytes(6)


class PairClock:
    """What is known of the partner's clock: between which bounds it is ahead of ours.

    A frame that left at its sender's `clock` and was read here at `own` says: ahead by `clock - own`, and by as much
    more as it took to be read, which is 0 to `DELAY_MS`. Bounds widen by `DRIFT_PPM` of the time since; each frame
    narrows them to what both allow. So the quickest of many frames counts, and the slowest on the other side. Where
    they leave nothing, one of the clocks was set anew, and the newest frame alone counts. `resets` counts these.
    """

    def __init__(self) -> None:
        self._low_us = 0
        self._high_us = 0
        self._at: "int | None" = None
        self.resets = 0

    def heard(self, clock_ms: int, own_ms: int) -> None:
        """A frame of the partner, authentic, left at `clock_ms` and was read at `own_ms`."""
        low = (clock_ms - own_ms - EARLY_MS) * 1000
        high = (clock_ms - own_ms + DELAY_MS) * 1000
        if self._at is not None:
            widened = self._bounds(own_ms)
            if max(low, widened[0]) <= min(high, widened[1]):
                low, high = max(low, widened[0]), min(high, widened[1])
            else:
                self.resets += 1
        self._low_us, self._high_us, self._at = low, high, own_ms

    def ahead(self, own_ms: int) -> "tuple[int, int] | None":
        """By how many ms the partner's clock was ahead of ours at `own_ms`, and how many that may be wrong; None
        before anything was heard."""
        if self._at is None:
            return None
        low, high = self._bounds(own_ms)
        return (low + high) // 2000, (high - low + 1999) // 2000 + 1

    def bounds(self) -> "tuple[int, int, int]":
        """Lowest and highest lead in us, and the ms of our clock for which they hold, -1 for never: `set_bounds`."""
        return self._low_us, self._high_us, -1 if self._at is None else self._at

    def set_bounds(self, low_us: int, high_us: int, at_ms: int) -> None:
        """Go on from what `bounds` gave."""
        self._low_us, self._high_us, self._at = low_us, high_us, None if at_ms < 0 else at_ms

    def _bounds(self, own_ms: int) -> "tuple[int, int]":
        drift = abs(own_ms - (self._at or 0)) * DRIFT_PPM // 1000 + 1
        return self._low_us - drift, self._high_us + drift
