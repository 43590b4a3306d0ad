"""Objects: what a trap hands over, in the same bytes on every carrier (PROTOCOL.md section 2).

An object is named by its key `(trap, epoch, number, rung)` and travels as an envelope: that key, the first 16
bytes of the body's SHA-256, and the body. Radio, MQTT, stick and phone all move these very bytes.
"""

import hashlib
import struct

from trapwire.errors import WireError

ENVELOPE_VERSION = 1

# Rungs of the ladder, most urgent first; 8 and above travel from the base to a trap.
ALERT = 0
CROP = 1
FRAME = 2
FULL = 3
FULL_2 = 4  # a second and a third picture of the burst
FULL_3 = 5
NOTE = 6  # what the trap says of itself, signed (no sighting)
SCENE = 7  # what the trap sees when nothing is there, small (no sighting)
RECEIPT = 8
PACK = 9  # a settings pack with a permission (section 17)

FULLS = (FULL, FULL_2, FULL_3)
RUNG_NAMES = {
    ALERT: "alert",
    CROP: "crop",
    FRAME: "frame",
    FULL: "full",
    FULL_2: "full-2",
    FULL_3: "full-3",
    NOTE: "note",
    SCENE: "scene",
    RECEIPT: "receipt",
    PACK: "pack",
}
RUNG_BY_NAME = {name: rung for rung, name in RUNG_NAMES.items()}

DIGEST_BYTES = 16
HEAD_FORMAT = ">BBHII"
HEAD_BYTES = 12 + DIGEST_BYTES
MAX_DOWN_BYTES = 4096  # of what goes down to a trap, held in an MCU's memory; a receipt of 64 objects has 417
MAX_BODY_BYTES = 16 * 1024 * 1024  # one full frame, sealed, with room; anything larger is not ours


class ObjectKey:
    """`(trap, epoch, number, rung)`: trap 1–65535, epoch and number 32 bits, rung one of `RUNG_NAMES`."""

    def __init__(self, trap: int, epoch: int, number: int, rung: int) -> None:
        if not 0 < trap <= 0xFFFF:
            raise WireError("trap %r is not within 1–65535" % (trap,))
        if not 0 <= epoch <= 0xFFFFFFFF:
            raise WireError("epoch %r is not within 32 bits" % (epoch,))
        if not 0 <= number <= 0xFFFFFF:
            raise WireError("number %r is not within 24 bits" % (number,))
        if rung not in RUNG_NAMES:
            raise WireError("rung %r is unknown, allowed: %s" % (rung, sorted(RUNG_NAMES)))
        self.trap = trap
        self.epoch = epoch
        self.number = number
        self.rung = rung

    def as_tuple(self) -> "tuple[int, int, int, int]":
        return (self.trap, self.epoch, self.number, self.rung)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectKey) and self.as_tuple() == other.as_tuple()

    def __hash__(self) -> int:
        return hash(self.as_tuple())

    def __repr__(self) -> str:
        return "trap %d epoch %08x number %d %s" % (self.trap, self.epoch, self.number, RUNG_NAMES[self.rung])


class Envelope:
    """An object: its `key`, and its `body` as bytes; `sha256`: of the body, where it was computed already."""

    def __init__(self, key: ObjectKey, body: bytes, sha256: "bytes | None" = None) -> None:
        self.key = key
        self.body = body
        self.sha256 = sha256

    def encode(self) -> bytes:
        """The bytes that travel."""
        if len(self.body) > MAX_BODY_BYTES:
            raise WireError("body of %d bytes, allowed are %d" % (len(self.body), MAX_BODY_BYTES))
        k = self.key
        head = struct.pack(HEAD_FORMAT, ENVELOPE_VERSION, k.rung, k.trap, k.epoch, k.number)
        return head + hashlib.sha256(self.body).digest()[:DIGEST_BYTES] + self.body


def decode_envelope(data: bytes) -> Envelope:
    """The envelope in `data`, its digest checked.

    Raises: WireError when it is short, of another version, of an unknown rung, or damaged.
    """
    if len(data) < HEAD_BYTES:
        raise WireError("envelope of %d bytes, at least %d are needed" % (len(data), HEAD_BYTES))
    if len(data) > HEAD_BYTES + MAX_BODY_BYTES:
        raise WireError("envelope of %d bytes is over the bound" % len(data))
    version, rung, trap, epoch, number = struct.unpack_from(HEAD_FORMAT, data, 0)
    if version != ENVELOPE_VERSION:
        raise WireError("envelope version %d, known is %d" % (version, ENVELOPE_VERSION))
    key = ObjectKey(trap, epoch, number, rung)
    body = bytes(data[HEAD_BYTES:])
    sha256 = hashlib.sha256(body).digest()
    if sha256[:DIGEST_BYTES] != bytes(data[HEAD_BYTES - DIGEST_BYTES : HEAD_BYTES]):
        raise WireError("envelope of %r: the digest does not match its body" % (key,))
    return Envelope(key, body, sha256)


def pack_keys(keys: "list[ObjectKey]") -> bytes:
    """Keys for an acknowledgement on the bus: 11 bytes each."""
    return b"".join(struct.pack(">HIIB", *k.as_tuple()) for k in keys)


def unpack_keys(data: bytes) -> "list[ObjectKey]":
    """The keys in `data`.  Raises: WireError."""
    if len(data) % 11 or len(data) > 11 * 1024:
        raise WireError("key list of %d bytes is not 0–1024 keys of 11 bytes" % len(data))
    return [ObjectKey(*struct.unpack(">HIIB", data[i : i + 11])) for i in range(0, len(data), 11)]
