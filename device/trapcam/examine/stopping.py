"""A long command that is asked to end (SIGTERM) does what it does at Ctrl-C: keeps its work and says so."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

# A shell starts what it puts into the background with Ctrl-C ignored; asked by signal, it ends all the same.
ENDS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def terminable() -> Iterator[None]:
    """In this block SIGTERM and SIGINT raise KeyboardInterrupt. For a program's main thread."""
    before = [signal.signal(name, signal.default_int_handler) for name in ENDS]
    try:
        yield
    finally:
        for name, handler in zip(ENDS, before, strict=True):
            signal.signal(name, handler)
