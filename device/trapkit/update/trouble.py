"""How taking a release ends when it is not taken: `Waits` is tried again by itself, `Refused` was judged."""

from trapkit.update.offer import Refused
from trapkit.update.reasons import words


class Waits(Refused):
    """Nothing is wrong with the release as far as is known; the same call may succeed later."""


WAITING = ("time-unknown", "no-source", "incomplete", "too-slow", "no-room")


def trouble(code: str, about: str = "") -> Refused:
    """The exception for a code of `reasons`; about: what it was seen at, for an engineer."""
    said = f"{words(code)} ({about[:200]})" if about else words(code)
    return Waits(code, said) if code in WAITING else Refused(code, said)
