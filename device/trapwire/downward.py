"""What comes down to a trap: receipts and packs in fragments, and what is owed to the base for them."""

from trapwire.errors import WireError
from trapwire.fragments import Piece, Reassembly
from trapwire.frame import ACK, HAVE, HEADER_BYTES, tag_bytes
from trapwire.objects import MAX_DOWN_BYTES, RECEIPT, ObjectKey
from trapwire.payloads import MAX_ACK_KEYS, encode_ack, encode_have, make_have

MAX_TAKEN = 16  # committed objects whose repeats are known
MAX_TRANSFERS = 2


class Downward:
    """Fragments in, objects out, acknowledgements and reports owed, for trap `address`."""

    def __init__(self, address: int) -> None:
        self._address = address
        self._pieces = Reassembly(max_transfers=MAX_TRANSFERS, max_object_bytes=MAX_DOWN_BYTES)
        self._seen: "tuple[int, int] | None" = None  # transfer and total to report on
        self._acks: "list[ObjectKey]" = []
        self._unheard_acks: "list[ObjectKey]" = []  # sent, and nothing came back yet
        self._unheard_have: "tuple[int, int] | None" = None
        self._taken: "list[tuple[ObjectKey, int]]" = []  # committed lately, with their transfers: repeats are known
        self._arrived: "dict[ObjectKey, int]" = {}  # handed to the supervisor: key -> transfer

    def on_piece(self, piece: Piece, now: int) -> "tuple[bool, list[tuple[object, ...]]]":
        """Whether it brought anything new, and the event ("down", Envelope) if that is whole.  Raises: WireError."""
        before = self._pieces.get(piece.transfer)
        known = before is not None and piece.index in before.pieces
        partial, envelope = self._pieces.add(piece, now)
        if envelope is None:
            self._seen = (partial.transfer, partial.total)
            return not known, []
        self._seen = None
        if envelope.key.trap != self._address or envelope.key.rung < RECEIPT:
            raise WireError("object of %r came to trap %d" % (envelope.key, self._address))
        self._arrived = {envelope.key: piece.transfer}
        # The same key with other bytes is another receipt, of a base that began to count anew.
        if (envelope.key, piece.transfer) in self._taken:
            self.committed(envelope.key)
            return True, []
        return True, [("down", envelope)]

    def committed(self, key: ObjectKey) -> None:
        """An object is durable here: it is acknowledged in the next frame."""
        transfer = self._arrived.pop(key, -1)
        self._taken = (self._taken + [(key, transfer)])[-MAX_TAKEN:]
        if key not in self._acks:
            self._acks.append(key)

    def owes(self) -> bool:
        """Whether there is something to say."""
        return bool(self._acks) or self._seen is not None

    def take(self, frame_bytes: int) -> "tuple[int, bytes] | None":
        """Kind and payload of what is owed first; None where nothing is."""
        self._unheard_acks, self._unheard_have = [], None
        room = frame_bytes - HEADER_BYTES - tag_bytes(ACK)
        if self._acks:
            count = min(MAX_ACK_KEYS, room // 8)
            self._unheard_acks, self._acks = self._acks[:count], self._acks[count:]
            return ACK, encode_ack(self._unheard_acks)
        if self._seen is not None:
            transfer, total = self._unheard_have = self._seen
            self._seen = None
            partial = self._pieces.get(transfer)
            held = partial.pieces if partial is not None else {}
            return HAVE, encode_have(make_have(transfer, total, held, room - 6))
        return None

    def unheard(self) -> None:
        """Nothing came back: what was said last is owed again."""
        self._acks = self._unheard_acks + [k for k in self._acks if k not in self._unheard_acks]
        self._seen = self._seen or self._unheard_have
