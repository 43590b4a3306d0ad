"""What outlives a deep sleep in 2 kB of memory: named pieces, under one check. Read once, and forgotten by that:
a reset that is no wake from sleep must not find the frame counter of before.
"""

import struct
from binascii import crc32

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

MAX_BYTES = 2048
POWER, SLEEP, WATCHDOG, SOFT = 0, 1, 2, 3  # why the unit started
TIMER, PIR, RADIO, BUTTON = 1, 2, 4, 8  # what woke it
_HEAD = ">4sI"
_MAGIC = b"Pug1"


def take(board: "Any") -> "dict[int, bytes]":
    """The pieces by their tags; none after anything but a sleep, or when one bit of them is wrong."""
    data = board.retained()
    if data:
        board.retain(b"")
    pieces: "dict[int, bytes]" = {}
    if board.reset_cause() != SLEEP or len(data) < 8:
        return pieces
    magic, check = struct.unpack(_HEAD, data[:8])
    if magic != _MAGIC or check != crc32(data[8:]) & 0xFFFFFFFF:
        return pieces
    at = 8
    while at + 3 <= len(data):
        tag, size = struct.unpack(">BH", data[at : at + 3])
        pieces[tag] = bytes(data[at + 3 : at + 3 + size])
        at += 3 + size
    return pieces


def keep(board: "Any", pieces: "dict[int, bytes]") -> bool:
    """Whether they fit, and are kept."""
    body = b"".join([struct.pack(">BH", tag, len(pieces[tag])) + pieces[tag] for tag in sorted(pieces)])
    data = struct.pack(_HEAD, _MAGIC, crc32(body) & 0xFFFFFFFF) + body
    if len(data) > MAX_BYTES:
        return False
    board.retain(data)
    return True
