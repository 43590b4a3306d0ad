"""What outlives a deep sleep in 2 kB of memory: named pieces, under one check. Read once, and forgotten by that:
a reset that is no wake from sleep must not find the frame counter of before. Times in them count only where the clock
has gone on: with one that began anew, what is due would never come.
"""

import struct
from binascii import crc32

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

MAX_BYTES = 2048
POWER, SLEEP, WATCHDOG, SOFT = 0, 1, 2, 3  # why the unit started
TIMER, PIR, RADIO, BUTTON = 1, 2, 4, 8  # what woke it
MOST_ASLEEP_MS = 7200000  # twice the longest sleep
_HEAD = ">4sI"
_HEAD_BYTES = 16  # and ms of the board's clock at which they were kept
_MAGIC = b"Pug1"


def take(board: "Any") -> "dict[int, bytes]":
    """The pieces by their tags; none after anything but a sleep, when one bit of them is wrong, or by another clock."""
    data = board.retained()
    if data:
        board.retain(b"")
    pieces: "dict[int, bytes]" = {}
    if board.reset_cause() != SLEEP or len(data) < _HEAD_BYTES:
        return pieces
    magic, check = struct.unpack(_HEAD, data[:8])
    if magic != _MAGIC or check != crc32(data[8:]) & 0xFFFFFFFF:
        return pieces
    if not 0 <= board.now_ms() - struct.unpack(">Q", data[8:_HEAD_BYTES])[0] <= MOST_ASLEEP_MS:
        return pieces
    at = _HEAD_BYTES
    while at + 3 <= len(data):
        tag, size = struct.unpack(">BH", data[at : at + 3])
        pieces[tag] = bytes(data[at + 3 : at + 3 + size])
        at += 3 + size
    return pieces


def keep(board: "Any", pieces: "dict[int, bytes]") -> bool:
    """Whether they fit, and are kept."""
    body = struct.pack(">Q", board.now_ms())
    body += b"".join([struct.pack(">BH", tag, len(pieces[tag])) + pieces[tag] for tag in sorted(pieces)])
    data = struct.pack(_HEAD, _MAGIC, crc32(body) & 0xFFFFFFFF) + body
    if len(data) > MAX_BYTES:
        return False
    board.retain(data)
    return True
