"""Simulated death: counts the calls that make something durable and dies at chosen ones.

For whole-system tests in one process; a real kill is `trapsim demo --kills`.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

DURABLE = ("fsync", "replace", "rename", "unlink", "remove")  # of the module `os`


class Died(BaseException):
    """The power went: nothing between here and the process's start may catch it."""


class Fuse:
    """Counts durable calls, before and after each; `burn_at` holds the counts at which the process dies.

    `armed`: only calls of the system under test count, not those of the test around it. `fault`: told of every such
    call before it happens, by its name; it may raise what a sick disk raises.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.burn_at: frozenset[int] = frozenset()
        self.armed = False
        self.deaths = 0
        self.fault: Callable[[str], None] | None = None

    def around(self, call: Callable[..., Any], name: str = "COMMIT") -> Callable[..., Any]:
        def burning(*args: Any, **kwargs: Any) -> Any:
            self._burn()
            if self.armed and self.fault is not None:
                self.fault(name)
            result = call(*args, **kwargs)
            self._burn()
            return result

        return burning

    def _burn(self) -> None:
        if not self.armed:
            return
        self.calls += 1
        if self.calls - 1 in self.burn_at:
            self.deaths += 1
            raise Died


@contextmanager
def fused(given: Fuse | None = None) -> Iterator[Fuse]:
    """A fuse, `given` or a new one, in every durable call of this process, for as long as the block lasts."""
    fuse = given or Fuse()
    connect = sqlite3.connect

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            plain = super().execute
            call = fuse.around(plain) if sql == "COMMIT" else plain
            return call(sql, *args)

    originals = {name: getattr(os, name) for name in DURABLE}

    def connect_burning(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        return connect(*args, factory=Connection, **kwargs)

    sqlite3.connect = connect_burning  # type: ignore[assignment]
    for name, original in originals.items():
        setattr(os, name, fuse.around(original, name))
    try:
        yield fuse
    finally:
        sqlite3.connect = connect
        for name, original in originals.items():
            setattr(os, name, original)
