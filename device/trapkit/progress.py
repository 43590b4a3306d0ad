"""Words for people, on stderr: results alone go to stdout."""

import io
import sys
from contextlib import suppress


def say(text: str) -> None:
    """A line of progress or trouble. No program stops because its log is full, closed, or read by nobody."""
    if sys.stderr is None:
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        keep_nothing()


def keep_nothing() -> None:
    """From now on stderr has no buffer; said when it refused a line.

    What could not be written would stay in it: at the end Python tries again, and then the exit code is 120.
    """
    own = sys.__stderr__
    if own is not None and sys.stderr is own:
        with suppress(OSError, ValueError):
            raw = io.FileIO(own.fileno(), "w", closefd=False)
            sys.stderr = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
