"""New firmware on the serial line, the Pi's side of the codec (`slotwords` is what the supervisor has of it)."""

import struct

from trapwire.errors import WireError
from trapwire.slotwords import BEGIN, MAX_LIST_BYTES, OUT_OF_ORDER, PIECE, TURN, TURNED, WORD, digest

OUTCOMES = ("done", "a slot is on trial", "not the firmware of that digest", "flash is full", "out of order")


class Word:
    """The supervisor's: what became of the last message (`op`, `outcome`), the slot that runs ("a", "b"), how they
    stand, where the stream goes on (`at`), and the digests of the slot that runs and of the other one."""

    def __init__(self, op: int, outcome: int, running: str, stands: int, at: int, own: bytes, other: bytes) -> None:
        self.op = op
        self.outcome = outcome
        self.running = running
        self.stands = stands
        self.at = at
        self.own = own
        self.other = other


def decode_word(payload: bytes) -> Word:
    """Bytes of a later version behind it are skipped.  Raises: WireError."""
    size = struct.calcsize(WORD)
    if len(payload) < size:
        raise WireError("word on firmware of %d bytes" % len(payload))
    op, outcome, running, stands, at, own, other = struct.unpack(WORD, payload[:size])
    if running not in b"ab" or stands > TURNED or op > TURN or outcome > OUT_OF_ORDER:
        raise WireError("word on firmware that cannot be")
    return Word(op, outcome, chr(running), stands, at, own, other)


def begin(listing: bytes) -> bytes:
    """New firmware comes, of this list.  Raises: WireError when it is too long."""
    if not 0 < len(listing) <= MAX_LIST_BYTES:
        raise WireError("list of %d bytes, allowed are 1–%d" % (len(listing), MAX_LIST_BYTES))
    return struct.pack(">BH", BEGIN, len(listing)) + digest(listing)


def piece(at: int, data: bytes) -> bytes:
    """Bytes of the stream: the list, then of each file, in the list's order, its length u32 and its bytes."""
    return struct.pack(">BI", PIECE, at) + data


def turn(wanted: bytes) -> bytes:
    """Start the slot of this digest next."""
    return bytes([TURN]) + wanted
