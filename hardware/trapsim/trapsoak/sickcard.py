"""A sick card, for one step of the trap at a time: full and slow by the kernel's own hand and the clock, the rest by
what the kernel would say."""

import errno
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from resource import RLIMIT_FSIZE, getrlimit, setrlimit

from trapsim.crash import Fuse

SLOW_MS = (200, 8_000)  # of one durable call; a commit has one, a full frame three before it
SICK = 1 / 3  # of the calls of a card with errors fail


@contextmanager
def full() -> Iterator[None]:
    """No byte more into any file of this process: the kernel refuses as it does on a full card."""
    soft, hard = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        setrlimit(RLIMIT_FSIZE, (soft, hard))


@contextmanager
def refusing(fuse: Fuse, number: int, share: float, draws: random.Random) -> Iterator[None]:
    """Of the durable calls `share` fail with the error `number` (EROFS, EIO), as the file system says it and SQLite."""

    def fault(call: str) -> None:
        if draws.random() >= share:
            return
        if call != "COMMIT":
            raise OSError(number, os.strerror(number))
        words, code = {
            errno.EROFS: ("attempt to write a readonly database", sqlite3.SQLITE_READONLY),
            errno.EIO: ("disk I/O error", sqlite3.SQLITE_IOERR),
        }[number]
        error = sqlite3.OperationalError(words)
        error.sqlite_errorcode = code
        raise error

    fuse.fault = fault
    try:
        yield
    finally:
        fuse.fault = None


@contextmanager
def slow(fuse: Fuse, wait: Callable[[int], None], draws: random.Random) -> Iterator[None]:
    """Every durable call takes seconds."""
    fuse.fault = lambda call: wait(draws.randint(*SLOW_MS))
    try:
        yield
    finally:
        fuse.fault = None
