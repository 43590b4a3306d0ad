"""Starts one of the two code slots, /a or /b. This file lies outside them, as /boot.py, and is never replaced by radio.

/main.py is two lines: `import boot` and `boot.start("", woke)`, with woke: this start is a wake from deep sleep.

`/slot` says which slot: the good one, the one in force, and what is left of its trial. Before a slot on trial starts,
its trial is counted down in flash: a start costs 50 of 150, a wake from sleep 1. When it is used up, or flash refuses
the count, the good one starts. A slot that does not import gives way to the other one, in the same start, and loses its
trial. Without a readable `/slot`, the first slot with a whole list of files starts; nothing is ever marked as bad, so a
unit of which neither starts tries both again at every start, and can be reached by USB.
"""

import os
import sys
from binascii import crc32, hexlify

LIST = "/files.sha256"  # in a slot: written last, taken away first
TRIAL = 150
START_COSTS = 50


def read(path: str) -> "bytes | None":
    """What `write` wrote there; None where nothing is, or it is damaged."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    return data[:-8] if data[-8:] == check(data[:-8]) else None


def write(path: str, data: bytes) -> None:
    """`data` with a check behind it, whole or not at all.  Raises: OSError."""
    with open(path + ".new", "wb") as file:
        file.write(data + check(data))
    os.rename(path + ".new", path)


def check(data: bytes) -> bytes:
    """Eight hexadecimal digits."""
    return hexlify(crc32(data).to_bytes(4, "big"))


def state(root: str) -> "tuple[str, str, int, bytes]":
    """The good slot, the one in force, what is left of its trial, and when that began (4 bytes, for `slots.py`)."""
    data = read(root + "/slot") or b""
    if len(data) == 7 and data[0] in b"ab" and data[1] in b"ab":
        return chr(data[0]), chr(data[1]), data[2], data[3:]
    good = "b" if not _is_whole(root, "a") and _is_whole(root, "b") else "a"
    return good, good, 0, bytes(4)


def put_state(root: str, good: str, now: str, left: int = 0, since: bytes = bytes(4)) -> None:
    """Raises: OSError."""
    write(root + "/slot", (good + now).encode() + bytes([left]) + since)


def choose(root: str, woke: bool) -> str:
    """The slot to start, its trial counted down."""
    good, now, left, since = state(root)
    if now != good:
        left -= 1 if woke else START_COSTS
        if left < 0:
            now, left = good, 0
        try:
            put_state(root, good, now, left, since)
        except OSError:
            now = good
    return now


def start(root: str, woke: bool, entry: str = "trapmcu.unit") -> None:
    """Import `entry` from a slot and call its `main(slot)`.  Raises: what main raises, or the last import's error."""
    first = choose(root, woke)
    before = list(sys.modules)
    for slot in (first, "b" if first == "a" else "a"):
        sys.path.insert(0, root + "/" + slot)
        try:
            __import__(entry)
            break
        except Exception:  # whatever a damaged file says
            sys.path.pop(0)
            for name in list(sys.modules):
                if name not in before:
                    del sys.modules[name]
            if slot != first:
                raise
            good, now, _, since = state(root)
            if now != good:
                try:
                    put_state(root, good, good, 0, since)
                except OSError:
                    pass  # counted down: it ends by itself
    sys.modules[entry].main(slot)


def _is_whole(root: str, slot: str) -> bool:
    try:
        os.stat(root + "/" + slot + LIST)
    except OSError:
        return False
    return True
