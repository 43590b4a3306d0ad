"""A long command that is asked to end (SIGTERM) does what it does at Ctrl-C: keeps its work and says so."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def terminable() -> Iterator[None]:
    """In this block SIGTERM raises KeyboardInterrupt. For a program's main thread."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
