"""The time that a unit with a dead clock may rely on: never before what it knows to be over (decision 022).

The floor is the latest of: when this version was built, what was kept last, the highest time that somebody said who can
prove it, and at which what the operator has published still stood. A base that proves itself and says next year is
heard for as long as it says so, and keeps nothing back once it is right again: the floor never passes a signed date.
A unit that woke in 1970 asks `authenticated` first: without it updates wait, and everything else goes on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trapkit.files import write_atomically

BUILT_MS = 1_795_305_600_000  # 2026-11-22: raised with a version; no unit that runs this lives before it
STEP_MS = 3_600_000  # kept in steps of this size: a card is not written to every minute
# A base that says 2096 would end every release's time for ever: such a word is not believed.
MOST_AHEAD_MS = 30 * 365 * 86_400_000
MAX_DIGITS = 20


@dataclass(frozen=True)
class Moment:
    """utc_ms: the best time known, Unix ms; authenticated: somebody who can prove it said so since the last reset."""

    utc_ms: int
    authenticated: bool


class Clock(Protocol):
    """What a machine gives."""

    def read(self) -> Moment:
        """The time now."""
        ...

    def monotonic_ms(self) -> int:
        """A count that nobody sets."""
        ...


class TimeFloor:
    """Kept in one file; `built_ms` is the time of what runs."""

    def __init__(self, path: Path, built_ms: int = BUILT_MS) -> None:
        self._path = path
        self._built_ms = max(built_ms, BUILT_MS)
        self._heard_ms = 0

    def ms(self) -> int:
        """No moment before this one is now."""
        return max(self._built_ms, self._kept_ms(), self._heard_ms)

    def heard(self, utc_ms: int) -> None:
        """Somebody who can prove it says that it is this late, and the operator's dates do not say otherwise.

        Raises: OSError when it cannot be kept.
        """
        if not 0 <= utc_ms <= self._built_ms + MOST_AHEAD_MS:
            return
        self._heard_ms = max(self._heard_ms, utc_ms)
        if utc_ms >= self._kept_ms() + STEP_MS and utc_ms > self._built_ms:
            write_atomically(self._path, f"{utc_ms}\n".encode())

    def now_ms(self, moment: Moment) -> int | None:
        """The time that dates are judged by, or None while nobody has proved one."""
        if not moment.authenticated or not 0 <= moment.utc_ms <= self._built_ms + MOST_AHEAD_MS:
            return None
        return max(self.ms(), moment.utc_ms)

    def _kept_ms(self) -> int:
        try:
            with self._path.open("rb") as file:
                text = file.read(MAX_DIGITS + 1).strip()
        except OSError:
            return 0
        kept = int(text) if text.isdigit() and len(text) <= MAX_DIGITS else 0
        return kept if kept <= self._built_ms + MOST_AHEAD_MS else 0
