"""The key of one trap and its base: what is derived from it, and what was heard under it (PROTOCOL.md section 4).

A link key is 16 random bytes, of one trap and one base. From it come a key for each direction, so that what goes up
never opens as something that came down, and a name under which counters are remembered. The keys themselves are
never written anywhere by this code.
"""

import hashlib
import struct
from binascii import hexlify, unhexlify

from trapwire.errors import REPLAYED, RefusedError, WireError
from trapwire.frame import VERSION, Frame, decode_frame, encode_frame

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

    from trapwire.frame import Cipher

KEY_BYTES = 16
UP = 0
DOWN = 1
LABEL = b"pugmark-link-2\x00"
NAME_LABEL = b"pugmark-link-2 name\x00"
NEVER = -1  # nothing was heard yet: every counter is newer


def parse_key(text: str) -> bytes:
    """A link key from its 32 hexadecimal digits.  Raises: WireError, which never repeats them."""
    text = text.strip()
    try:
        key = unhexlify(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise WireError("%d characters; allowed are 32 hexadecimal digits, as trapship writes them" % len(text))
    return key


def direction_key(link_key: bytes, direction: int, trap: int) -> bytes:
    """The AES-128 key of one direction, `UP` or `DOWN`."""
    return hashlib.sha256(LABEL + struct.pack(">BH", direction, trap) + link_key).digest()[:KEY_BYTES]


def key_name(link_key: bytes) -> str:
    """Eight characters to know a key by; they do not help to find it."""
    return hexlify(hashlib.sha256(NAME_LABEL + link_key).digest()[:4]).decode()


class LinkKey:
    """One end's use of a link key: seals what it sends, opens what the other end sent.

    answers: whether this end may speak under it.
    own: the direction of this end's frames, `UP` on a trap and `DOWN` on a base; cipher: makes one from 16 bytes;
    heard: the highest counter of the other end's frames. Whoever made this remembers `heard` for the next run.
    """

    answers = True

    def __init__(
        self, link_key: bytes, trap: int, own: int, cipher: "Callable[[bytes], Cipher]", heard: int = NEVER
    ) -> None:
        self.trap = trap
        self.name = key_name(link_key)
        self.heard = heard
        self._own = own
        self._sealer = cipher(direction_key(link_key, own, trap))
        self._opener = cipher(direction_key(link_key, UP + DOWN - own, trap))

    def seal(self, kind: int, flag: bool, counter: int, payload: bytes, version: int = VERSION) -> bytes:
        """A frame of this end; `counter` was never used before."""
        return encode_frame(Frame(kind, self._own == DOWN, flag, self.trap, counter, payload, version), self._sealer)

    def open(self, data: bytes) -> Frame:
        """A frame of the other end: this trap's, under this key, and newer than all before.

        Raises: WireError; RefusedError where the tag does not fit, the counter is not new, or the version is another.
        """
        frame = decode_frame(data, self._opener, None if self.heard == NEVER else self.heard)
        if frame.counter <= self.heard:
            raise RefusedError(REPLAYED, "frame counter %d, heard was %d" % (frame.counter, self.heard))
        self.heard = frame.counter
        return frame
