"""Objects in pieces: cutting, and bounded reassembly (PROTOCOL.md section 6).

A transfer's number is the first two bytes of the envelope's SHA-256, and every piece but the last has the same
size: either side may reset and the pieces still fit together. A clash of numbers ends in a digest that does not
match; the receiver then starts that transfer afresh.
"""

import hashlib
import struct

from trapwire.errors import WireError
from trapwire.frame import FRAGMENT, HEADER_BYTES, tag_bytes
from trapwire.objects import HEAD_BYTES, Envelope, decode_envelope

FRAGMENT_HEAD_BYTES = 5
MAX_PIECES = 0xFFF
MAX_RADIO_BYTES = 11 * 1024  # an 8 kB frame-rung object with room; with its head it fits one serial message


def piece_room(frame_bytes: int) -> int:
    """Bytes of an object that fit into one fragment of a frame of `frame_bytes`."""
    return frame_bytes - HEADER_BYTES - tag_bytes(FRAGMENT) - FRAGMENT_HEAD_BYTES


def transfer_of(envelope: bytes) -> int:
    """The transfer's number for an envelope."""
    digest = hashlib.sha256(envelope).digest()
    return digest[0] << 8 | digest[1]


def cut(envelope: bytes, frame_bytes: int) -> "list[bytes]":
    """The payloads of the fragments of an envelope.

    Raises: WireError when it is over `MAX_RADIO_BYTES` or the frame leaves no room.
    """
    room = piece_room(frame_bytes)
    if room < 1:
        raise WireError("frames of %d bytes leave no room for fragments" % frame_bytes)
    if len(envelope) > MAX_RADIO_BYTES:
        raise WireError("object of %d bytes, the radio takes %d" % (len(envelope), MAX_RADIO_BYTES))
    total = (len(envelope) + room - 1) // room
    if total > MAX_PIECES:
        raise WireError("object of %d pieces, allowed are %d" % (total, MAX_PIECES))
    transfer = transfer_of(envelope)
    pieces = []
    for index in range(total):
        numbers = index << 12 | total
        head = struct.pack(">HBH", transfer, numbers >> 16, numbers & 0xFFFF)
        pieces.append(head + envelope[index * room : (index + 1) * room])
    return pieces


def fragment_head(payload: bytes) -> "tuple[int, int, int]":
    """Transfer, index and total of a fragment's payload.  Raises: WireError when there is nothing behind them."""
    if len(payload) <= FRAGMENT_HEAD_BYTES:
        raise WireError("fragment of %d bytes is empty" % len(payload))
    transfer, high, low = struct.unpack(">HBH", payload[:FRAGMENT_HEAD_BYTES])
    return transfer, (high << 16 | low) >> 12, low & 0xFFF


class Partial:
    """The pieces of one transfer that have arrived."""

    def __init__(self, transfer: int, total: int, now: int) -> None:
        self.transfer = transfer
        self.total = total
        self.pieces: "dict[int, bytes]" = {}
        self.touched = now

    def size(self) -> int:
        return sum(len(p) for p in self.pieces.values())


class Reassembly:
    """Pieces in, envelopes out; bounded in transfers, bytes and age.

    When a bound is met the transfer touched longest ago is dropped: its sender is told so by the next report.
    """

    def __init__(
        self,
        max_transfers: int = 4,
        max_object_bytes: int = MAX_RADIO_BYTES,
        max_age_ms: int = 86400000,
    ) -> None:
        self._max_transfers = max_transfers
        self._max_object_bytes = max_object_bytes
        self._max_bytes = 2 * max_object_bytes
        self._max_age_ms = max_age_ms
        self._partials: "dict[int, Partial]" = {}
        self.dropped = 0

    def get(self, transfer: int) -> "Partial | None":
        return self._partials.get(transfer)

    def add(self, payload: bytes, now: int) -> "tuple[Partial, Envelope | None]":
        """Take a fragment's payload; the envelope when it completes one, its digest checked.

        Raises: WireError when the payload is malformed or does not fit the pieces that are here.
        """
        transfer, index, total = fragment_head(payload)
        piece = bytes(payload[FRAGMENT_HEAD_BYTES:])
        # Every piece but the last has full size: together they must be an object that we would take.
        if index >= total or ((total - 1) * len(piece) > self._max_object_bytes and index < total - 1):
            raise WireError("fragment %d of %d is out of bounds" % (index, total))
        partial = self._partials.get(transfer)
        if partial is None or partial.total != total:
            partial = self._partials[transfer] = Partial(transfer, total, now)
        partial.pieces[index] = piece
        partial.touched = now
        self._bound(transfer, now)
        if len(partial.pieces) < total:
            return partial, None
        joined = b"".join(partial.pieces[i] for i in range(total))
        self._partials.pop(transfer, None)
        if len(joined) < HEAD_BYTES or transfer_of(joined) != transfer:
            raise WireError("transfer %04x does not match its digest" % transfer)
        return partial, decode_envelope(joined)

    def _bound(self, keep: int, now: int) -> None:
        while True:
            others = [p for p in self._partials.values() if p.transfer != keep]
            over = len(self._partials) > self._max_transfers
            over = over or sum(p.size() for p in self._partials.values()) > self._max_bytes
            if not others:
                if over:
                    del self._partials[keep]
                    self.dropped += 1
                return
            oldest = min(others, key=lambda p: p.touched)
            if not over and now - oldest.touched <= self._max_age_ms:
                return
            del self._partials[oldest.transfer]
            self.dropped += 1
