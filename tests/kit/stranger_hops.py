"""One hop (section 11) and a station's pair (section 12) for the second implementation (`stranger.py`)."""

from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from tests.kit.stranger import KINDS, PIECE, whole_counter
from tests.kit.stranger_bits import RefusedError, demand, read, sha, write

HOP, CALL = 11, 12
CALL_HEAD = "first:8 trap:16 counter:32"
CALL_PAYLOAD = "clock:40 age:16 uncertainty:8 cause:8"


def nonce(first: int, trap: int, counter: int) -> bytes:
    return write("first:8 trap:16 counter:32 zero:48", {"first": first, "trap": trap, "counter": counter, "zero": 0})


# Section 11.
@dataclass(frozen=True)
class Wrapped:
    down: bool
    hops: int
    counter: int  # the whole one of the inner frame
    inner: bytes

    @property
    def first(self) -> int:
        return 3 << 6 | self.down << 5 | self.hops << 4 | HOP

    @property
    def trap(self) -> int:
        return int.from_bytes(self.inner[1:3], "big")


def hop_tag(frame: Wrapped, hop_key: bytes) -> bytes:
    cipher = AESCCM(hop_key, tag_length=4)
    return cipher.encrypt(nonce(frame.first, frame.trap, frame.counter), b"", bytes([frame.first]) + frame.inner)


def wrap(frame: Wrapped, hop_key: bytes) -> bytes:
    return bytes([frame.first]) + frame.inner + hop_tag(frame, hop_key)


def inner_counters(inner: bytes, heard: int | None) -> list[int]:
    """What the inner frame's counter can be: of a piece's 16 bits the last one heard, then the first above it."""
    if inner[0] & 15 != PIECE:
        return [int.from_bytes(inner[3:7], "big")]
    short = int.from_bytes(inner[3:5], "big")
    if heard is None:
        return []
    same = [heard] if heard & 0xFFFF == short else []
    return [counter for counter in [*same, whole_counter(short, heard)] if counter < 1 << 32]


def unwrap(data: bytes, hop_key: bytes, heard: int | None = None) -> Wrapped:
    """`heard`: the greatest counter that was authentic in this direction."""
    demand(len(data) >= 1 + 5 + 4 + 4, "too short")
    down, hops, inner = bool(data[0] & 32), data[0] >> 4 & 1, data[1:-4]
    demand(data[0] >> 6 == 3 and data[0] & 15 == HOP, "not wrapped")
    demand(bool(inner[0] & 32) == down, "the inner frame goes the other way")
    demand(inner[0] & 15 in KINDS.get(inner[0] >> 6, ()), "no frame of a link")
    demand(inner[0] & 15 == PIECE or len(inner) >= 7 + 4, "too short")
    for counter in inner_counters(inner, heard):
        frame = Wrapped(down, hops, counter, inner)
        if frame.trap > 0 and hop_tag(frame, hop_key) == data[-4:]:
            return frame
    raise RefusedError("tag")


class Holder:
    """Who has the hop key of one trap: repeater or base."""

    def __init__(self, hop_key: bytes, trap: int) -> None:
        self.hop_key, self.trap = hop_key, trap
        self.heard: dict[bool, int | None] = {False: None, True: None}

    def hear(self, data: bytes) -> tuple[Wrapped, bool]:
        """The frame, and whether it is new; else it is the last one again."""
        down = bool(data[:1] and data[0] & 32)
        last = self.heard[down]
        frame = unwrap(data, self.hop_key, last)
        demand(frame.trap == self.trap, "another trap")
        demand(last is None or frame.counter >= last, "played again")
        self.heard[down] = frame.counter
        return frame, frame.counter != last

    def carry(self, data: bytes) -> bytes | None:
        """What a repeater sends for it."""
        frame, new = self.hear(data)
        if not new or frame.hops:
            return None
        return frame.inner if frame.down else wrap(replace(frame, hops=1), self.hop_key)


# Section 12.
@dataclass(frozen=True)
class Call:
    trap: int
    counter: int
    clock: int
    age: int
    uncertainty: int
    cause: int


def call_cipher(station_key: bytes) -> AESCCM:
    return AESCCM(sha(b"pugmark-wake-1\0" + station_key)[:16], tag_length=8)


def seal_call(call: Call, station_key: bytes) -> bytes:
    head = write(CALL_HEAD, {**vars(call), "first": 3 << 6 | CALL})
    payload = write(CALL_PAYLOAD, vars(call))
    return head + call_cipher(station_key).encrypt(nonce(2, call.trap, call.counter), payload, head)


def open_call(data: bytes, station_key: bytes) -> Call:
    demand(len(data) == 24, "no call's length")
    head, _ = read(CALL_HEAD, data)
    demand(head.pop("first") == 3 << 6 | CALL and head["trap"] > 0, "not a call")
    try:
        payload = call_cipher(station_key).decrypt(nonce(2, head["trap"], head["counter"]), data[7:], data[:7])
    except InvalidTag:
        raise RefusedError("tag") from None
    return Call(**head, **read(CALL_PAYLOAD, payload)[0])


class Partner:
    """One trap of a pair: takes calls and learns how far the other's clock is ahead."""

    def __init__(self, station_key: bytes, trap: int) -> None:
        self.station_key, self.trap = station_key, trap
        self.greatest: int | None = None
        self.low, self.high, self.read_at = 0.0, 0.0, None

    def hear(self, data: bytes, own_ms: int) -> Call:
        call = open_call(data, self.station_key)
        demand(call.trap != self.trap, "its own call")
        demand(self.greatest is None or call.counter > self.greatest, "played again")
        self.greatest = call.counter
        ahead = (call.clock - own_ms + (1 << 39)) % (1 << 40) - (1 << 39)  # the clocks go round at 2^40
        low, high = ahead - 3, ahead + 60
        if self.read_at is not None:
            was = self.bounds(own_ms)
            if max(low, was[0]) <= min(high, was[1]):
                low, high = max(low, was[0]), min(high, was[1])
        self.low, self.high, self.read_at = low, high, own_ms
        return call

    def bounds(self, own_ms: int) -> tuple[float, float]:
        grown = 50e-6 * (own_ms - self.read_at)
        return self.low - grown, self.high + grown

    def ahead(self, own_ms: int) -> tuple[float, float]:
        """The estimate and its uncertainty."""
        low, high = self.bounds(own_ms)
        return (low + high) / 2, (high - low) / 2
