"""Objects in pieces: cutting, and bounded reassembly (PROTOCOL.md section 6).

A transfer's number is the first two bytes of the envelope's SHA-256, and every piece but the last has the same
size: either side may reset and the pieces still fit together. A *fragment* says the number and how many pieces there
are; the *pieces* between two fragments say only 12 bits of the number and which piece they are. A clash of numbers ends
in a digest that does not match; the receiver then starts that transfer afresh.
"""

import hashlib
import struct

from trapwire.alert import ALERT_BYTES
from trapwire.errors import WireError
from trapwire.frame import FRAGMENT, HEADER_BYTES, PIECE, tag_bytes
from trapwire.objects import ALERT, CROP, FRAME, HEAD_BYTES, NOTE, SCENE, Envelope, decode_envelope

FRAGMENT_HEAD_BYTES = 5
PIECE_HEAD_BYTES = 3
MAX_PIECES = 0xFFF
MAX_RADIO_BYTES = 11 * 1024  # an 8 kB frame-rung object with room; with its head it fits one serial message
UNKNOWN = -1  # number or count that a piece does not tell


def piece_room(frame_bytes: int) -> int:
    """Bytes of an object that fit into one fragment of a frame of `frame_bytes`; a piece's frame is 4 bytes shorter."""
    return frame_bytes - HEADER_BYTES - tag_bytes(FRAGMENT) - FRAGMENT_HEAD_BYTES


def transfer_of(envelope: bytes) -> int:
    """The transfer's number for an envelope."""
    digest = hashlib.sha256(envelope).digest()
    return digest[0] << 8 | digest[1]


def _packed(number: int) -> bytes:
    """24 bits."""
    return struct.pack(">I", number)[1:]


class Cut:
    """An envelope in pieces for frames of `frame_bytes`.

    Raises: WireError when it is over `MAX_RADIO_BYTES` or the frame leaves no room.
    """

    def __init__(self, envelope: bytes, frame_bytes: int) -> None:
        room = piece_room(frame_bytes)
        if room < 1:
            raise WireError("frames of %d bytes leave no room for fragments" % frame_bytes)
        if len(envelope) > MAX_RADIO_BYTES:
            raise WireError("object of %d bytes, the radio takes %d" % (len(envelope), MAX_RADIO_BYTES))
        self.total = (len(envelope) + room - 1) // room
        if self.total > MAX_PIECES:
            raise WireError("object of %d pieces, allowed are %d" % (self.total, MAX_PIECES))
        self.transfer = transfer_of(envelope)
        self._room = room
        self._envelope = envelope

    def fragment(self, index: int) -> bytes:
        """The payload of a fragment with that piece."""
        return struct.pack(">H", self.transfer) + _packed(index << 12 | self.total) + self._data(index)

    def piece(self, index: int) -> bytes:
        """The payload of a piece."""
        return _packed(self.transfer >> 4 << 12 | index) + self._data(index)

    def _data(self, index: int) -> bytes:
        return self._envelope[index * self._room : (index + 1) * self._room]


def cut(envelope: bytes, frame_bytes: int) -> "list[bytes]":
    """The payloads of all the fragments of an envelope.  Raises: WireError, as `Cut`."""
    whole = Cut(envelope, frame_bytes)
    return [whole.fragment(i) for i in range(whole.total)]


class Piece:
    """What a fragment or a piece says: its transfer's `short` number (12 bits), the whole number `transfer` and the
    count `total` where it tells them, and the bytes at `index`."""

    def __init__(self, short: int, transfer: int, index: int, total: int, data: bytes) -> None:
        self.short = short
        self.transfer = transfer
        self.index = index
        self.total = total
        self.data = data


def read_fragment(payload: bytes) -> Piece:
    """A fragment's payload.  Raises: WireError when there is nothing behind its head."""
    if len(payload) <= FRAGMENT_HEAD_BYTES:
        raise WireError("fragment of %d bytes is empty" % len(payload))
    transfer, high, low = struct.unpack(">HBH", payload[:FRAGMENT_HEAD_BYTES])
    numbers = high << 16 | low
    if numbers >> 12 >= numbers & 0xFFF:
        raise WireError("fragment %d of %d is out of bounds" % (numbers >> 12, numbers & 0xFFF))
    return Piece(transfer >> 4, transfer, numbers >> 12, numbers & 0xFFF, bytes(payload[FRAGMENT_HEAD_BYTES:]))


def read_piece(payload: bytes) -> Piece:
    """A piece's payload.  Raises: WireError when there is nothing behind its head."""
    if len(payload) <= PIECE_HEAD_BYTES:
        raise WireError("piece of %d bytes is empty" % len(payload))
    high, low = struct.unpack(">BH", payload[:PIECE_HEAD_BYTES])
    numbers = high << 16 | low
    return Piece(numbers >> 12, UNKNOWN, numbers & 0xFFF, UNKNOWN, bytes(payload[PIECE_HEAD_BYTES:]))


class Partial:
    """The pieces of one transfer that have arrived; `transfer` and `total` are UNKNOWN until a fragment has."""

    def __init__(self, short: int, now: int) -> None:
        self.short = short
        self.transfer = UNKNOWN
        self.total = UNKNOWN
        self.pieces: "dict[int, bytes]" = {}
        self.touched = now

    def size(self) -> int:
        return sum(len(p) for p in self.pieces.values())

    def contradicts(self, piece: Piece) -> bool:
        """Whether a piece is of another object whose number begins alike."""
        if piece.total == UNKNOWN:
            return self.total != UNKNOWN and piece.index >= self.total
        return self.total != UNKNOWN and (self.total, self.transfer) != (piece.total, piece.transfer)

    def count(self, transfer: int, total: int) -> None:
        self.transfer, self.total = transfer, total
        for index in [i for i in self.pieces if i >= total]:
            del self.pieces[index]  # of another object, that came before

    def take(self, piece: Piece, now: int) -> None:
        if piece.total != UNKNOWN:
            self.count(piece.transfer, piece.total)
        self.pieces[piece.index] = piece.data
        self.touched = now


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
        """What is here of the transfer of that whole number."""
        partial = self._partials.get(transfer >> 4)
        return partial if partial is not None and partial.transfer == transfer else None

    def payloads(self) -> "list[tuple[int, bytes]]":
        """All that is here, as kinds and payloads that `read_fragment` and `read_piece` take."""
        found = []
        for partial in self._partials.values():
            told = partial.total != UNKNOWN
            for index in partial.pieces:
                if told:
                    head = struct.pack(">H", partial.transfer) + _packed(index << 12 | partial.total)
                else:
                    head = _packed(partial.short << 12 | index)
                found.append((FRAGMENT if told else PIECE, head + partial.pieces[index]))
        return found

    def add(self, piece: Piece, now: int) -> "tuple[Partial, Envelope | None]":
        """Take a piece; the envelope when it completes one, its digest checked.

        Raises: WireError when it does not fit, or the whole does not match its digest.
        """
        # Every piece but the last has full size: together they must be an object that we would take.
        before = piece.index if piece.total == UNKNOWN else piece.total - 1
        if before * len(piece.data) > self._max_object_bytes and piece.index != piece.total - 1:
            raise WireError("piece %d of %d bytes is out of bounds" % (piece.index, len(piece.data)))
        partial = self._partials.get(piece.short)
        if partial is None or partial.contradicts(piece):
            partial = self._partials[piece.short] = Partial(piece.short, now)
        partial.take(piece, now)
        self._bound(piece.short, now)
        return partial, self._finish(partial)

    def learn(self, transfer: int, total: int, now: int) -> "tuple[Partial, Envelope] | None":
        """Its sender says number and count of a transfer: the envelope if that completes it.  Raises: WireError."""
        partial = self._partials.get(transfer >> 4)
        if partial is None or partial.contradicts(Piece(transfer >> 4, transfer, 0, total, b"")):
            return None
        partial.count(transfer, total)
        partial.touched = now
        envelope = self._finish(partial)
        return None if envelope is None else (partial, envelope)

    def _finish(self, partial: Partial) -> "Envelope | None":
        if partial.total == UNKNOWN or len(partial.pieces) < partial.total:
            return None
        joined = b"".join(partial.pieces[i] for i in range(partial.total))
        self._partials.pop(partial.short, None)
        if len(joined) < HEAD_BYTES or transfer_of(joined) != partial.transfer:
            raise WireError("transfer %04x does not match its digest" % partial.transfer)
        return decode_envelope(joined)

    def _bound(self, keep: int, now: int) -> None:
        while True:
            others = [p for p in self._partials.values() if p.short != keep]
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
            del self._partials[oldest.short]
            self.dropped += 1


def check_sendable(envelope: Envelope, trap: int, frame_bytes: int) -> None:
    """Whether this object can go by radio, in the name of that trap, in such frames.  Raises: WireError."""
    key = envelope.key
    if key.trap != trap:
        raise WireError("object of %r was handed to trap %d" % (key, trap))
    if key.rung == ALERT:
        if len(envelope.body) != ALERT_BYTES:
            raise WireError("alert of %d bytes, %d are needed" % (len(envelope.body), ALERT_BYTES))
    elif key.rung in (CROP, FRAME, NOTE, SCENE):
        cut(envelope.encode(), frame_bytes)
    else:
        raise WireError("object of %r does not go by radio" % (key,))
