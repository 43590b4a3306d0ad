"""Receipts: what the back end signs, and its short form for the radio (PROTOCOL.md section 7).

The back end signs a statement naming every object in full. Over the radio only the objects' numbers and rungs and
the signature travel: the trap rebuilds the statement from the digests of its own objects, so a valid signature
proves that the back end holds exactly those bytes, and costs 5 bytes an object instead of 37.

The whole form has the digests too. A trap asks for it where a receipt names what it never made, or made in other bytes
(somebody speaks in its name): with the digests it proves the signature all the same, and lets go what is its own.
"""

import struct

from trapwire.errors import WireError

STATEMENT_PREFIX = b"pugmark-receipt-1\x00"
SIGNATURE_BYTES = 64
SHORT_ROW, WHOLE_ROW = 5, 37  # bytes of an object in each form
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
    """`epoch`, `objects` as a list of (number, rung), and the back end's 64-byte signature; `digests`: of the objects,
    in the same order, in the whole form; None in the short one."""

    def __init__(
        self,
        epoch: int,
        objects: "list[tuple[int, int]]",
        signature: bytes,
        digests: "list[bytes] | None" = None,
    ) -> None:
        if not 0 < len(objects) <= MAX_OBJECTS:
            raise WireError("receipt of %d objects, allowed are 1–%d" % (len(objects), MAX_OBJECTS))
        if len(signature) != SIGNATURE_BYTES:
            raise WireError("signature of %d bytes, %d are needed" % (len(signature), SIGNATURE_BYTES))
        if digests is not None and (len(digests) != len(objects) or any(len(each) != 32 for each in digests)):
            raise WireError("receipt of %d objects with other digests than 32 bytes of each" % len(objects))
        self.epoch = epoch
        self.objects = objects
        self.signature = signature
        self.digests = digests

    def encode(self) -> bytes:
        """The body of the object on rung `RECEIPT`."""
        rows = [struct.pack(">IB", number, rung) for number, rung in self.objects]
        if self.digests is not None:
            rows = [rows[i] + self.digests[i] for i in range(len(rows))]
        return struct.pack(">IB", self.epoch, len(rows)) + b"".join(rows) + self.signature


def decode_receipt(data: bytes) -> Receipt:
    """The receipt in `data`, of either form; its signature is not checked here.  Raises: WireError."""
    if len(data) < 5 + SIGNATURE_BYTES:
        raise WireError("receipt of %d bytes is too short" % len(data))
    epoch, count = struct.unpack(">IB", data[:5])
    size = (len(data) - 5 - SIGNATURE_BYTES) // count if count else 0
    end = 5 + size * count
    if size not in (SHORT_ROW, WHOLE_ROW) or len(data) != end + SIGNATURE_BYTES:
        raise WireError("receipt of %d bytes does not hold %d objects" % (len(data), count))
    objects, digests = [], []
    for i in range(5, end, size):
        number, rung = struct.unpack(">IB", data[i : i + SHORT_ROW])
        objects.append((number, rung))
        digests.append(bytes(data[i + SHORT_ROW : i + size]))
    return Receipt(epoch, objects, bytes(data[end:]), digests if size == WHOLE_ROW else None)
