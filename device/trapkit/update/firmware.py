"""The supervisor's firmware from a slot of the Pi into the supervisor's idle one, over the serial line: the Pi's half
of the conversation, pure. `trapmcu.newcode` is the other half, PROTOCOL.md section 16 the authority.
"""

import hashlib
import struct
from collections.abc import Mapping

from trapwire.slotask import Word, begin, piece, turn
from trapwire.slotwords import ASK, DIGEST_BYTES, DONE, NONE, ON_TRIAL, OUT_OF_ORDER, PIECE_BYTES, digest

RESEND_MS = 3_000  # the longest is the last piece of a file: it is read back
TRIES = 10  # without an answer: half a minute
GOES_ON, IS_DONE = "", "done"


def listing_of(files: Mapping[str, bytes]) -> bytes:
    """The list of a slot's files, as its `files.sha256` holds it."""
    return "".join(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files)).encode()


def name_of(files: Mapping[str, bytes]) -> str:
    """The digest that names a slot with these files, hexadecimal; "" without any."""
    return digest(listing_of(files)).hex() if files else ""


class Handover:
    """`outcome`: GOES_ON, IS_DONE when the idle slot reads back as these files, else a code of `reasons`."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._list = listing_of(files)
        self.wanted = digest(self._list)
        self._stream = self._list + b"".join(
            struct.pack(">I", len(files[path])) + files[path] for path in sorted(files)
        )
        self._begun = False
        self._at = 0
        self._said_ms: int | None = None
        self._tries = 0
        self._message = bytes([ASK])
        self.outcome = GOES_ON

    @property
    def share(self) -> float:
        """How much of it is there, 0–1."""
        return 1.0 if self.outcome == IS_DONE else self._at / len(self._stream)

    def step(self, word: Word | None, now_ms: int) -> bytes | None:
        """The payload to say now, after an answer or none; None: wait, or it is over."""
        if word is not None and not self.outcome:
            self._on(word)
            self._tries, self._said_ms = 0, None
        if self.outcome or (self._said_ms is not None and now_ms - self._said_ms < RESEND_MS):
            return None
        if self._tries >= TRIES:
            self.outcome = "supervisor-silent"
            return None
        self._tries += 1
        self._said_ms = now_ms
        return self._message

    def _on(self, word: Word) -> None:
        if self.wanted in (word.other, word.own):
            self.outcome = IS_DONE
        elif word.outcome == ON_TRIAL:
            self.outcome = "supervisor-on-trial"
        elif word.outcome not in (DONE, OUT_OF_ORDER):
            self.outcome = "supervisor-refused"
        elif not self._begun or (word.outcome == OUT_OF_ORDER and word.at == 0):
            self._begun = True  # also when it has started again meanwhile and forgotten all
            self._message = begin(self._list)
        elif word.at >= len(self._stream):
            self.outcome = "supervisor-refused"  # all of it came, and it is no slot
        else:
            self._at = word.at
            self._message = piece(word.at, self._stream[word.at : word.at + PIECE_BYTES])


def asking() -> bytes:
    """How are your slots?"""
    return bytes([ASK])


def turning(wanted: str) -> bytes:
    """Start the slot of this digest (hexadecimal) next.  Raises: ValueError."""
    named = bytes.fromhex(wanted)
    if len(named) != DIGEST_BYTES or named == NONE:
        raise ValueError(f"digest {wanted!r}; allowed are {2 * DIGEST_BYTES} hexadecimal digits")
    return turn(named)
