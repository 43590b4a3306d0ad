"""The file with the base's frame counter: the first value that no earlier run reserved. It only ever goes up."""

from pathlib import Path

from trapkit.errors import SetupError, StorageError
from trapkit.files import refusal, write_atomically

COUNTER = "radio-counter"
MAX_COUNTER = 0xFFFFFFFF
EPOCH_2020_S = 1_577_836_800
CLOCK_SET_S = 1_767_225_600  # 2026-01-01: a clock before it was never set
COUNTER_LOST = "write a number there that is above every one it had; never take the file away: counters go only up"


def read_counter(path: Path) -> int:
    """The counter's first free value.  Raises: SetupError rather than start again at a value that was used."""
    if not path.exists():
        return 0
    try:
        value = int(path.read_text())
    except (OSError, ValueError) as error:
        raise SetupError(f"{path}: is not a counter ({error}); {COUNTER_LOST}") from error
    if not 0 <= value <= MAX_COUNTER:
        raise SetupError(f"{path}: {value} is not a 32-bit counter; {COUNTER_LOST}")
    return value


def counter_by_clock(utc_s: float) -> int:
    """Seconds since 2020, where the clock is set: above every counter that this base can have used.

    A base that came back from a backup, or lost the counter's file, so never uses one twice: it sends less than a frame
    a second. A clock that was never set helps nobody, and harms nobody: then the file alone counts.
    """
    since = int(utc_s) - EPOCH_2020_S
    return since if utc_s >= CLOCK_SET_S and since < 1 << 31 else 0


def write_counter(path: Path, end: int) -> None:
    """Make a value durable as the next run's first.  Raises: StorageError."""
    try:
        write_atomically(path, f"{end}\n".encode())
    except OSError as error:
        raise StorageError(refusal(path, error)) from error
