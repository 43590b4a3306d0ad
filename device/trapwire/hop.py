"""The hop: a frame wrapped for a repeater, and the key under which that is done (PROTOCOL.md section 11).

byte 0     version 3 | down | hops (0 as its source sent it, 1 as the repeater sent it on) | kind 11
inner      the link's own frame, as it is
tag        4 bytes, AES-CCM under the hop key over byte 0 and the inner frame

The nonce is byte 0, the trap's number, and the whole counter of the inner frame: a source never uses a counter twice,
so that no nonce is, and a wrapped frame is new only once. Who has the hop key can have a frame carried, and nothing
else: it opens no frame and makes none.
"""

import struct

from trapwire.errors import FORGED, REPLAYED, STRANGER, RefusedError, WireError
from trapwire.frame import PIECE, VERSION, Frame, counter_behind, peek_frame

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

    from trapwire.frame import Cipher

KIND = 11  # what a link end without hops counts as an unknown kind, and drops
TAG_BYTES = 4
HOP_BYTES = 1 + TAG_BYTES  # by which a wrapped frame is longer
MAX_TRAPS = 16  # that a repeater serves
NEVER = -1
_FIRST = VERSION << 6 | KIND
_DOWN, _HOPPED = 0x20, 0x10


def is_wrapped(data: bytes) -> bool:
    """Whether this says that it is a wrapped frame."""
    return len(data) > HOP_BYTES and data[0] & ~(_DOWN | _HOPPED) == _FIRST


def inner_of(data: bytes) -> bytes:
    """The frame inside: nothing is proved."""
    return bytes(data[1:-TAG_BYTES])


class Wrapped:
    """An authentic wrapped frame. hopped: it comes from the repeater; again: its counter is the one heard last."""

    def __init__(self, head: Frame, inner: bytes, hopped: bool, again: bool) -> None:
        self.trap = head.address
        self.down = head.down
        self.polls = head.flag
        self.kind = head.kind
        self.counter = head.counter
        self.inner = inner
        self.hopped = hopped
        self.again = again


class HopKey:
    """One holder's use of a trap's hop key, 16 random bytes that `cipher` makes one from.

    `heard`: the greatest counter of each direction that was authentic, down at True. A restart forgets it: a frame
    played again then is carried once more, which costs air, and is refused by the link at its end.
    """

    def __init__(self, key: bytes, trap: int, cipher: "Callable[[bytes], Cipher]") -> None:
        self.trap = trap
        self._cipher = cipher(key)
        self.heard = {False: NEVER, True: NEVER}

    def wrap(self, inner: bytes, counter: int, hopped: bool) -> bytes:
        """`inner`, a frame with this whole counter, for the air."""
        down = inner[0] & _DOWN
        first = bytes([_FIRST | down | (_HOPPED if hopped else 0)])
        return first + inner + self._cipher.seal(self._nonce(first, counter), first + inner, b"", TAG_BYTES)

    def unwrap(self, data: bytes) -> Wrapped:
        """What was wrapped, if it is new or the last one again.  Raises: WireError; RefusedError as `LinkKey.open`."""
        inner = inner_of(data)
        head = peek_frame(inner)
        if bool(data[0] & _DOWN) != head.down:
            raise WireError("a frame is wrapped for the other direction")
        heard = self.heard[head.down]
        if head.kind == PIECE:
            if heard == NEVER:
                raise WireError("a piece before any frame with a whole counter")
            # The one heard last again, by the other way: otherwise a later one.
            head.counter = heard if heard & 0xFFFF == head.counter else counter_behind(heard, head.counter)
        first = bytes(data[:1])
        nonce = self._nonce(first, head.counter)
        if self._cipher.open(nonce, first + inner, bytes(data[-TAG_BYTES:]), TAG_BYTES) is None:
            raise RefusedError(FORGED, "the hop's tag does not fit")
        if head.counter < heard:
            raise RefusedError(REPLAYED, "hop with frame counter %d, heard was %d" % (head.counter, heard))
        self.heard[head.down] = head.counter
        return Wrapped(head, inner, bool(data[0] & _HOPPED), head.counter == heard)

    def _nonce(self, first: bytes, counter: int) -> bytes:
        return first + struct.pack(">HI", self.trap, counter & 0xFFFFFFFF) + bytes(6)


def find_key(keys: "dict[int, HopKey]", data: bytes) -> HopKey:
    """The key for a wrapped frame.  Raises: RefusedError for a trap that is not in `keys`."""
    trap = data[2] << 8 | data[3]
    key = keys.get(trap)
    if key is None:
        raise RefusedError(STRANGER, "trap %d has no hop here" % trap)
    return key


class Bucket:
    """Airtime that somebody may cause: `burst_us` at most at once, filled up by `permille` of the time."""

    def __init__(self, burst_us: int, permille: int) -> None:
        self._burst_us = burst_us
        self._permille = permille
        self._level_us = burst_us
        self._at = 0

    def take(self, cost_us: int, now: int, reserve_us: int = 0) -> bool:
        """Take `cost_us`, if that leaves `reserve_us`; `now` in ms."""
        # A millisecond at a permille is a microsecond.
        self._level_us = min(self._burst_us, self._level_us + max(now - self._at, 0) * self._permille)
        self._at = now
        if self._level_us - cost_us < reserve_us:
            return False
        self._level_us -= cost_us
        return True
