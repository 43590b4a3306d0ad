"""What a trap remembers of its link over resets: the frame counter, what it heard of the base, what was delivered."""

import struct

from trapmcu.flash import load_counter, load_heard, read_file, write_file
from trapwire.errors import WireError
from trapwire.frame import Counter
from trapwire.linkkeys import UP, LinkKey, key_name, parse_key
from trapwire.objects import DIGEST_BYTES, HEAD_BYTES, ObjectKey, pack_keys, unpack_keys

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Any

    from trapwire.frame import Cipher

REMEMBERED = 64  # delivered objects, so that one which the Pi offers again is not sent again
FIRST_BELOW = 1 << 31  # where a new unit's frame counter begins, by lot: see PROTOCOL.md, "a counter that was lost"
HEARD_STEP = 256  # the base's frames between two writes of what was heard of it: days of flash, not minutes
KEY_BYTES = 11
_KEPT = ">IIq"


class LinkMemory:
    """`counter` and `key` of the link, which go on where they were; kept: of `keep`, before a deep sleep, or None."""

    def __init__(
        self, board: "Any", settings: "dict[str, Any]", cipher: "Callable[[bytes], Cipher]", kept: "bytes | None"
    ) -> None:
        self._counter_path = board.flash + "/counter"
        self._heard_path = board.flash + "/heard"
        self.counter = Counter(load_counter(self._counter_path, board.random(FIRST_BELOW)), self._reserve)
        secret = parse_key(settings["link_key"])
        self._heard = heard = load_heard(self._heard_path, key_name(secret))  # what flash has of it
        if kept is not None:
            first, end, heard = struct.unpack(_KEPT, kept)
            self.counter.resume(first, end)
        self.key = LinkKey(secret, settings["trap"], UP, cipher, heard)

    def keep(self) -> bytes:
        """For a deep sleep that follows at once."""
        return struct.pack(_KEPT, *self.counter.span(), self.key.heard)

    def on_heard(self) -> None:
        """Something may have been heard: it is written now and then."""
        if self.key.heard - self._heard >= HEARD_STEP:
            self._heard = self.key.heard
            self.write_heard()  # flash is full: tried again a step later; until then a reset forgets more

    def write_heard(self) -> bool:
        """What was heard is durable; False where flash does not take it."""
        try:
            write_file(self._heard_path, ("%s %d" % (self.key.name, self.key.heard)).encode())
        except OSError:
            return False
        self._heard = self.key.heard
        return True

    def _reserve(self, end: int) -> None:
        write_file(self._counter_path, str(end).encode())


class Delivered:
    """The objects that were delivered last, each with its digest, under `path`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: "list[tuple[ObjectKey, bytes]]" = []
        data = read_file(path) or b""
        size = KEY_BYTES + DIGEST_BYTES
        try:
            for at in range(0, len(data), size):
                self._known.append((unpack_keys(data[at : at + KEY_BYTES])[0], data[at + KEY_BYTES : at + size]))
        except WireError:
            self._known = []  # damaged: as if it had never been

    def __contains__(self, envelope: "tuple[ObjectKey, bytes]") -> bool:
        """Whether this object, by its key and the bytes of its envelope, was delivered."""
        return (envelope[0], _digest(envelope[1])) in self._known

    def add(self, key: ObjectKey, envelope: bytes) -> None:
        self._known = (self._known + [(key, _digest(envelope))])[-REMEMBERED:]
        try:
            write_file(self._path, b"".join([pack_keys([k]) + digest for k, digest in self._known]))
        except OSError:
            pass  # flash is full: after a reset the Pi may offer it again, and the base drops the repeat


def _digest(envelope: bytes) -> bytes:
    """The first bytes of the body's digest, as the envelope's head has them."""
    return envelope[HEAD_BYTES - DIGEST_BYTES : HEAD_BYTES]
