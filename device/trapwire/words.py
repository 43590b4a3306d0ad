"""Words of the base, replies and log excerpts of the trap: their bytes (PROTOCOL.md section 5).

A word is a row of items, `type u8 | length u8 | value`; a reply is one command's outcome; an excerpt is entries in a
row. What a receiver does not know it skips and counts, so that a later base may say more.
"""

import struct

from trapwire.alert import TIME_BASE_UNIX_MS, UNKNOWN, decode_uncertainty, encode_uncertainty
from trapwire.errors import WireError

# Types of items
TIME = 1
MARGIN = 2
WANTED = 3
SETTING = 4
LOG_WANTED = 5
VALUE_BYTES = {TIME: 6, MARGIN: 1, WANTED: 8, SETTING: 7, LOG_WANTED: 5}
ITEM_HEAD_BYTES = 2

# Settings that a base may change by radio; codes are frozen: only add.
SETTING_NAMES = {1: "heartbeat_ms", 2: "reply_window_ms", 3: "sf", 4: "pair"}
SETTING_CODES = {name: code for code, name in SETTING_NAMES.items()}

# Outcomes
DONE = 0
UNKNOWN_SETTING = 1
OUT_OF_BOUNDS = 2
ON_TRIAL = 3
REVERTED = 4
OUTCOME_NAMES = {
    DONE: "done",
    UNKNOWN_SETTING: "unknown setting",
    OUT_OF_BOUNDS: "out of bounds",
    ON_TRIAL: "on trial",
    REVERTED: "reverted",
}
REPLY_BYTES = 7
LOG_HEAD_BYTES = 5
LOG_ENTRY_BYTES = 7


def encode_item(kind: int, value: bytes) -> bytes:
    """One item of a word; a word's payload is a row of them."""
    return bytes([kind, len(value)]) + value


def encode_time(unix_ms: int, uncertainty_ms: int) -> bytes:
    """A moment (Unix ms) and how far it may be off: 6 bytes, in a word and on the serial line.  Raises: WireError."""
    since = unix_ms - TIME_BASE_UNIX_MS
    if not 0 <= since < 1 << 40:
        raise WireError("time %r is not within 2020–2054" % (unix_ms,))
    return struct.pack(">BIB", since >> 32, since & 0xFFFFFFFF, encode_uncertainty(uncertainty_ms))


def decode_time(value: bytes) -> "tuple[int, int | None]":
    """Unix ms, and its uncertainty in ms or None where unknown.  Raises: WireError."""
    if len(value) != VALUE_BYTES[TIME]:
        raise WireError("time of %d bytes, 6 are needed" % len(value))
    high, low, code = struct.unpack(">BIB", value)
    return TIME_BASE_UNIX_MS + (high << 32 | low), decode_uncertainty(code)


def encode_margin(margin_db: int) -> bytes:
    """Decibels above the floor, held to what a byte says."""
    return struct.pack(">b", max(-128, min(127, margin_db)))


def encode_wanted(epoch: int, number: int, rung: int) -> bytes:
    """An object of the trap that is spoken to."""
    return struct.pack(">II", epoch, number << 8 | rung)


def encode_setting(command: int, setting: int, value: int) -> bytes:
    """Set this, under this number."""
    return struct.pack(">HBI", command, setting, value)


def decode_word(payload: bytes) -> "tuple[list[tuple[int, ...]], int]":
    """The items as (type, numbers…) in their order, and how many were skipped.

    (TIME, Unix ms, uncertainty ms), (MARGIN, dB), (WANTED, epoch, number, rung), (SETTING, command, setting, value),
    (LOG_WANTED, first, count).
    Skipped: unknown types, known ones of another length, a time of unknown uncertainty.
    Raises: WireError when an item ends behind the payload: then nothing of the word counts.
    """
    items: "list[tuple[int, ...]]" = []
    skipped = 0
    at = 0
    while at < len(payload):
        if at + ITEM_HEAD_BYTES > len(payload):
            raise WireError("a word's item without a length")
        kind, size = payload[at], payload[at + 1]
        value = bytes(payload[at + ITEM_HEAD_BYTES : at + ITEM_HEAD_BYTES + size])
        if len(value) != size:
            raise WireError("a word's item of %d bytes with %d there" % (size, len(value)))
        at += ITEM_HEAD_BYTES + size
        item = _item(kind, value) if VALUE_BYTES.get(kind) == size else None
        if item is None:
            skipped += 1
        else:
            items.append(item)
    return items, skipped


def _item(kind: int, value: bytes) -> "tuple[int, ...] | None":
    if kind == TIME:
        return None if value[5] == UNKNOWN else (TIME,) + decode_time(value)  # type: ignore[return-value]
    if kind == MARGIN:
        return (MARGIN,) + struct.unpack(">b", value)
    if kind == WANTED:
        epoch, rest = struct.unpack(">II", value)
        return (WANTED, epoch, rest >> 8, rest & 0xFF)
    if kind == LOG_WANTED:
        return (LOG_WANTED,) + struct.unpack(">IB", value)
    return (SETTING,) + struct.unpack(">HBI", value)


def encode_reply(command: int, outcome: int, value: int) -> bytes:
    """A command's outcome, and what is in force: 7 bytes."""
    return struct.pack(">HBI", command, outcome, value)


def decode_reply(payload: bytes) -> "tuple[int, int, int]":
    """Command, outcome and the value in force.  Raises: WireError."""
    if len(payload) != REPLY_BYTES:
        raise WireError("reply of %d bytes, %d are needed" % (len(payload), REPLY_BYTES))
    command, outcome, value = struct.unpack(">HBI", payload)
    if outcome not in OUTCOME_NAMES:
        raise WireError("outcome %d of command %d is unknown" % (outcome, command))
    return command, outcome, value


def encode_log(first: int, left: int, entries: bytes) -> bytes:
    """Entries in a row, 7 bytes each; first: the sequence of the first; left: how many follow in later frames."""
    return struct.pack(">IB", first, min(left, 255)) + entries
