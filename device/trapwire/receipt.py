"""Receipts: what the back end signs, and its short form for the radio (PROTOCOL.md section 7).

The back end signs a statement naming every object in full. Over the radio only the objects' numbers and rungs and
the signature travel: the trap rebuilds the statement from the digests of its own objects, so a valid signature
proves that the back end holds exactly those bytes, and costs 5 bytes an object instead of 37.
"""

import struct

from trapwire.errors import WireError

STATEMENT_PREFIX = b"pugmark-receipt-1\x00"
SIGNATURE_BYTES = 64
MAX_OBJECTS = 64  # keeps one receipt within a few radio frames, and its statement within 2.5 kB


def statement(trap: int, epoch: int, objects: "list[tuple[int, int, bytes]]") -> bytes:
    """The bytes that the back end signs: `objects` are (number, rung, 32-byte SHA-256), in any order.

    Raises: WireError.
    """
    if not 0 < len(objects) <= MAX_OBJECTS:
        raise WireError("receipt of %d objects, allowed are 1–%d" % (len(objects), MAX_OBJECTS))
    rows = []
    for number, rung, digest in objects:
        if len(digest) != 32:
            raise WireError("digest of %d bytes, 32 are needed" % len(digest))
        rows.append(struct.pack(">IB", number, rung) + digest)
    rows.sort()
    return STATEMENT_PREFIX + struct.pack(">HIB", trap, epoch, len(rows)) + b"".join(rows)


class Receipt:
    """The short form: `epoch`, `objects` as a list of (number, rung), and the back end's 64-byte signature."""

    def __init__(self, epoch: int, objects: "list[tuple[int, int]]", signature: bytes) -> None:
        if not 0 < len(objects) <= MAX_OBJECTS:
            raise WireError("receipt of %d objects, allowed are 1–%d" % (len(objects), MAX_OBJECTS))
        if len(signature) != SIGNATURE_BYTES:
            raise WireError("signature of %d bytes, %d are needed" % (len(signature), SIGNATURE_BYTES))
        self.epoch = epoch
        self.objects = objects
        self.signature = signature

    def encode(self) -> bytes:
        """The body of the object on rung `RECEIPT`."""
        rows = b"".join(struct.pack(">IB", number, rung) for number, rung in self.objects)
        return struct.pack(">IB", self.epoch, len(self.objects)) + rows + self.signature


def decode_receipt(data: bytes) -> Receipt:
    """The receipt in `data`; its signature is not checked here.  Raises: WireError."""
    if len(data) < 5 + SIGNATURE_BYTES:
        raise WireError("receipt of %d bytes is too short" % len(data))
    epoch, count = struct.unpack(">IB", data[:5])
    end = 5 + 5 * count
    if len(data) != end + SIGNATURE_BYTES:
        raise WireError("receipt of %d bytes does not hold %d objects" % (len(data), count))
    objects = [struct.unpack(">IB", data[i : i + 5]) for i in range(5, end, 5)]
    return Receipt(epoch, [(o[0], o[1]) for o in objects], bytes(data[end:]))
