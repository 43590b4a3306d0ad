"""Notes: what a trap says of itself, signed (PROTOCOL.md section 13). The codec alone; who signs hands the bytes in.

A note is the body of an object on rung `NOTE`: fields, then an Ed25519 signature over `statement`. The signature is the
trap's own: a base that has its public key knows that neither the air, a broker nor a stick has made the line up.
"""

import struct

from trapwire.alert import TIME_BASE_UNIX_MS, TIME_LAST_UNIX_MS, decode_uncertainty, encode_uncertainty
from trapwire.errors import WireError

DAY = 1  # one UTC day: could the trap see?
OPENED = 2  # somebody has opened the lid
MOVED = 3  # the camera looks elsewhere than it did
CARD = 4  # what a ranger wrote of a deployment
SAMPLE = 5  # what a ranger found near the trap
UPDATE = 6  # which release runs, which was tried, and what came of it
SHADOW = 7  # how a new model judges beside the one that decides
KIND_NAMES = {
    DAY: "day",
    OPENED: "opened",
    MOVED: "moved",
    CARD: "card",
    SAMPLE: "sample",
    UPDATE: "update",
    SHADOW: "shadow",
}
SEALED = (CARD, SAMPLE)  # they hold a sealed box to the operator's bases in place of fields
SAID = (UPDATE,)  # and these bytes of a format of their own

VERSION = 1
LABEL = b"pugmark-note-1\x00"
SIGNATURE_BYTES = 64
MAX_NOTE_BYTES = 120  # two fragments at most in any plan's smallest frame that still carries an alert, and its head
MAX_CARD_BYTES = 1500  # of a sealed kind: as much as a crop
BOX_BYTES = 48  # what a libsodium sealed box adds
MAX_SAID_BYTES = 48  # so that such a note is no longer than another

# Why a trap could not see, as bits; several may hold in one day. Frozen: only add.
OBSCURED = 1 << 0
SNOWED_IN = 1 << 1
LAMP_FAILED = 1 << 2
NO_MODEL = 1 << 3
CAMERA_DEAD = 1 << 4
CARD_FULL = 1 << 5
LOOKS_ELSEWHERE = 1 << 6
SAVING = 1 << 7  # the unit spares its battery, or is in safe mode
SERVICE = 1 << 8  # somebody works at it
REASONS = {
    OBSCURED: "lens obscured",
    SNOWED_IN: "snowed in",
    LAMP_FAILED: "IR lamp failed",
    NO_MODEL: "no model",
    CAMERA_DEAD: "camera dead",
    CARD_FULL: "card full",
    LOOKS_ELSEWHERE: "camera moved",
    SAVING: "saving its battery",
    SERVICE: "service visit",
}

# What is to be said with a line, as bits. Frozen: only add.
AFTER_OPENING = 1 << 0  # said after the lid was opened, and nobody has visited since
AFTER_MOVING = 1 << 1
CLOCK_UNTRUSTED = 1 << 2  # the clock was never vouched for in that day: the line proves no effort
CLOCK_JUMPED = 1 << 3
CARD_WORN = 1 << 4
MARKS = {
    AFTER_OPENING: "after opening",
    AFTER_MOVING: "after being moved",
    CLOCK_UNTRUSTED: "clock not trusted",
    CLOCK_JUMPED: "clock has jumped",
    CARD_WORN: "card wearing out",
}

MINUTES = 1440  # of a day
_HEAD = ">BBBIB"
_HEAD_BYTES = 8
_DAY = ">HHHHHHHHBB"
_OPENED = ">I"
_MOVED = ">hhh"


class Note:
    """`kind`; when it was made (`time_ms`, Unix) and how far that may be off (`uncertainty_ms`, None unknown);
    `values` by name, as `FIELDS` has them; `signature` of 64 bytes, empty while it is not signed; `sealed`: the box
    of a kind in `SEALED`, empty otherwise; `said`: the bytes of a kind in `SAID`, empty otherwise."""

    def __init__(
        self,
        kind: int,
        time_ms: int,
        uncertainty_ms: "int | None",
        values: "dict[str, int]",
        signature: bytes = b"",
        sealed: bytes = b"",
        said: bytes = b"",
    ) -> None:
        if kind not in FIELDS:
            raise WireError("note of kind %r, allowed are %s" % (kind, sorted(FIELDS)))
        if sorted(values) != sorted(name for name, _, _ in FIELDS[kind]):
            raise WireError("note of kind %d has the fields %s" % (kind, sorted(values)))
        if not TIME_BASE_UNIX_MS <= time_ms <= TIME_LAST_UNIX_MS:
            raise WireError("time_ms %r is not within 2020–2054" % (time_ms,))
        for name, low, high in FIELDS[kind]:
            if not low <= values[name] <= high:
                raise WireError("%s %r is not within %d–%d" % (name, values[name], low, high))
        if (kind in SEALED) != (len(sealed) > BOX_BYTES):
            raise WireError("note of kind %d with a sealed box of %d bytes" % (kind, len(sealed)))
        if (kind in SAID) != (0 < len(said) <= MAX_SAID_BYTES):
            raise WireError("note of kind %d with %d bytes of its own" % (kind, len(said)))
        if _HEAD_BYTES + len(sealed) + SIGNATURE_BYTES > max_bytes(kind):
            raise WireError("sealed box of %d bytes" % len(sealed))
        if kind == DAY and values["seen"] > values["watch"]:
            raise WireError("%d minutes seen of %d on watch" % (values["seen"], values["watch"]))
        if kind == DAY and values["watch"] + values["off"] > MINUTES:
            raise WireError("a day of %d minutes" % (values["watch"] + values["off"]))
        self.kind = kind
        self.time_ms = time_ms
        self.uncertainty_ms = uncertainty_ms
        self.values = values
        self.signature = signature
        self.sealed = sealed
        self.said = said

    def fields(self) -> bytes:
        """What is signed, and stands before the signature."""
        since = self.time_ms - TIME_BASE_UNIX_MS
        code = encode_uncertainty(self.uncertainty_ms)
        head = struct.pack(_HEAD, self.kind, VERSION, since >> 32, since & 0xFFFFFFFF, code)
        said = struct.pack(_FORMATS[self.kind], *[self.values[name] for name, _, _ in FIELDS[self.kind]])
        return head + said + self.sealed + self.said

    def encode(self) -> bytes:
        """The body of the object.  Raises: WireError while it is not signed."""
        if len(self.signature) != SIGNATURE_BYTES:
            raise WireError("signature of %d bytes, %d are needed" % (len(self.signature), SIGNATURE_BYTES))
        return self.fields() + self.signature


FIELDS = {
    # `day` since 2020-01-01; minutes: `watch` vouched for, `seen` of them, `off` known not to watch; the rest: unknown.
    DAY: (
        ("day", 0, 0xFFFF),
        ("watch", 0, MINUTES),
        ("seen", 0, MINUTES),
        ("off", 0, MINUTES),
        ("reasons", 0, 0xFFFF),
        ("triggers", 0, 0xFFFF),
        ("bursts", 0, 0xFFFF),
        ("sightings", 0, 0xFFFF),
        ("starts", 0, 0xFF),
        ("marks", 0, 0xFF),
    ),
    OPENED: (("trigger", 0, 0xFFFFFFFF),),
    # `right` and `down` in thousandths of the picture's width and height, `turned` in tenths of a degree.
    MOVED: (("right", -1000, 1000), ("down", -1000, 1000), ("turned", -1800, 1800)),
    CARD: (),
    SAMPLE: (),
    UPDATE: (),
    # `model`: the first four bytes of its SHA-256; bursts judged by both, and in how many of them it would have been
    # otherwise: only one keeps it, only one withholds it for people; `verdict` as in VERDICTS.
    SHADOW: (
        ("model", 0, 0xFFFFFFFF),
        ("bursts", 0, 0xFFFF),
        ("only_old", 0, 0xFFFF),
        ("only_new", 0, 0xFFFF),
        ("people_old", 0, 0xFFFF),
        ("people_new", 0, 0xFFFF),
        ("verdict", 0, 2),
    ),
}
VERDICTS = ("goes on", "the new one decides", "the new one is refused")
_FORMATS = {DAY: _DAY, OPENED: _OPENED, MOVED: _MOVED, CARD: ">", SAMPLE: ">", UPDATE: ">", SHADOW: ">IHHHHHB"}


def max_bytes(kind: int) -> int:
    """The largest body of a note; of a kind that is not known here as much as any may have."""
    return MAX_NOTE_BYTES if kind in FIELDS and kind not in SEALED else MAX_CARD_BYTES


def statement(trap: int, epoch: int, number: int, fields: bytes) -> bytes:
    """The bytes that a trap signs: its note's fields under the key of the object that carries them."""
    return LABEL + struct.pack(">HII", trap, epoch, number) + fields


def split(body: bytes) -> "tuple[bytes, bytes]":
    """The fields and the signature of a body, as they came.  Raises: WireError."""
    low, high = _HEAD_BYTES + SIGNATURE_BYTES, max_bytes(body[0]) if body else 0
    if not low <= len(body) <= high:
        raise WireError("note of %d bytes, allowed are %d–%d" % (len(body), low, high))
    return bytes(body[:-SIGNATURE_BYTES]), bytes(body[-SIGNATURE_BYTES:])


def decode_note(body: bytes) -> Note:
    """The note in a body; its signature is not checked here, and no box is opened. Bytes of a later version behind the
    known fields are skipped.  Raises: WireError."""
    fields, signature = split(body)
    kind, version, high, low, code = struct.unpack(_HEAD, fields[:_HEAD_BYTES])
    if not version:
        raise WireError("note of version 0")
    if kind not in FIELDS:
        raise WireError("note of kind %d is unknown" % kind)
    size = struct.calcsize(_FORMATS[kind])
    rest = fields[_HEAD_BYTES:]
    when, uncertainty = TIME_BASE_UNIX_MS + (high << 32 | low), decode_uncertainty(code)
    if kind in SEALED:  # a later version says more within the box
        return Note(kind, when, uncertainty, {}, signature, rest)
    if kind in SAID:  # as it was signed; who reads it knows its versions
        return Note(kind, when, uncertainty, {}, signature, said=rest)
    if len(rest) < size or (version == VERSION and len(rest) != size):
        raise WireError("note of kind %d has %d bytes of fields, %d are needed" % (kind, len(rest), size))
    found = struct.unpack(_FORMATS[kind], rest[:size])
    values = {FIELDS[kind][i][0]: found[i] for i in range(len(found))}
    return Note(kind, when, uncertainty, values, signature)


def words(bits: int, names: "dict[int, str]") -> str:
    """`REASONS` or `MARKS` for a person; bits that nobody knows here are named by their value."""
    known = [names[bit] for bit in sorted(names) if bits & bit]
    rest = bits & ~sum(names)
    return ", ".join(known + (["code %d" % rest] if rest else []))
