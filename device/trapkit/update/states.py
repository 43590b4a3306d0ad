"""What a unit says of its updates: which release runs, which was tried, how far that is, and why (pure).

To the base it travels as a note of kind `UPDATE` (PROTOCOL.md section 15): four CBOR items (RFC 8949), at most 48
bytes, and the note's own time and signature. CBOR's short forms alone are written and read, so no library is needed.
"""

import re
from dataclasses import dataclass

from trapkit.update.offer import RELEASE
from trapkit.update.reasons import MAX_CODE, words

# Frozen: only add.
PHASES = ("running", "waiting", "staged", "trial", "confirmed", "reverted", "refused")
MAX_BYTES = 48
_ARRAY, _TEXT, _SHORT = 0x84, 0x60, 24  # an array of four; text, its length below 24 in the same byte
_CODE = re.compile(r"[a-z0-9-]*")
SAID = {
    "running": "runs {running}",
    "waiting": "runs {running}; {tried} waits",
    "staged": "runs {running}; {tried} is on the card",
    "trial": "tries {tried}; before it {running}",
    "confirmed": "runs {running}, proved",
    "reverted": "went back to {running} from {tried}",
    "refused": "runs {running}; refused {tried}",
}


@dataclass(frozen=True)
class UpdateState:
    """running: the release that is good, "" as installed; tried: the other one that it is about, or ""; phase: one of
    `PHASES`; code: of `reasons`, "" where nothing is wrong; at_ms: since when, Unix ms."""

    running: str
    tried: str
    phase: str
    code: str
    at_ms: int

    def __post_init__(self) -> None:
        for name in ("running", "tried"):
            value = getattr(self, name)
            if value and not RELEASE.fullmatch(value):
                raise ValueError(f"{name} {value!r}; allowed is YEAR.MONTH.NUMBER, or nothing")
        if self.phase not in PHASES:
            raise ValueError(f"phase {self.phase!r}; allowed are {', '.join(PHASES)}")
        if len(self.code) > MAX_CODE or not _CODE.fullmatch(self.code):
            raise ValueError(f"code {self.code!r}; allowed are {MAX_CODE} characters of a-z, 0-9 and -")

    def encode(self) -> bytes:
        """All but the time, which its note has."""
        said = b"".join(_text(text) for text in (self.running, self.tried))
        return bytes([_ARRAY]) + said + bytes([PHASES.index(self.phase)]) + _text(self.code)

    def words(self) -> str:
        """For a person, in English."""
        named = {"running": self.running or "what was installed", "tried": self.tried or "a release"}
        why = words(self.code)
        return SAID[self.phase].format(**named) + (f": {why}" if why else "")


def decode(data: bytes, at_ms: int) -> UpdateState:
    """What `encode` made.  Raises: ValueError for anything else."""
    if not 5 <= len(data) <= MAX_BYTES or data[0] != _ARRAY:
        raise ValueError(f"an update's state of {len(data)} bytes; allowed is an array of four in 5–{MAX_BYTES}")
    running, rest = _take(data[1:])
    tried, rest = _take(rest)
    if not rest or rest[0] >= len(PHASES):
        raise ValueError("an update's state of an unknown phase")
    phase, (code, rest) = PHASES[rest[0]], _take(rest[1:])
    if rest:
        raise ValueError(f"{len(rest)} bytes behind an update's state")
    return UpdateState(running, tried, phase, code, at_ms)


def _text(text: str) -> bytes:
    return bytes([_TEXT + len(text)]) + text.encode("ascii")


def _take(data: bytes) -> tuple[str, bytes]:
    length = data[0] - _TEXT if data else -1
    if not 0 <= length < _SHORT or len(data) < 1 + length:
        raise ValueError("an update's state is cut short, or has no short text where one belongs")
    try:
        return data[1 : 1 + length].decode("ascii"), data[1 + length :]
    except UnicodeDecodeError as error:
        raise ValueError("an update's state has a text that is no ASCII") from error
