"""Words for people, on stderr: results alone go to stdout."""

import sys
from contextlib import suppress


def say(text: str) -> None:
    """A line of progress or trouble. No program stops because its log is full, closed, or read by nobody."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)
