"""Tells every result on the bus, once it is durable here, in the order in which they came (BUS.md, "Identified").

A result counts as told when the bus has taken it for sending; what a death in between loses, `trapbase identifications
--json --after ID` has. After one that came before, some may be told again.
"""

import json

from trapbase.results.kept import ResultStore
from trapbase.results.words import identification
from trapkit import topics
from trapkit.topics import MessageBus

ROUND = 64  # told in one step
EVERY_MS = 1000


class Teller:
    """The step from the table to the bus. `now_ms` must never go back, `utc_ms` is Unix time."""

    def __init__(self, kept: ResultStore, bus: MessageBus) -> None:
        self._kept = kept
        self._bus = bus
        self._due_ms: int | None = None

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """Whether anything was told.  Raises: StorageError."""
        if not self._bus.connected or (self._due_ms is not None and now_ms < self._due_ms):
            return False
        last = None
        rows = self._kept.untold(ROUND)
        for row in rows:
            said = json.dumps(identification(row), sort_keys=True, ensure_ascii=False)
            if not self._bus.publish(topics.identified(row["trap"]), said.encode()):
                break
            last = row["id"]
        if last is not None:
            self._kept.set_told(last, utc_ms)
        self._due_ms = now_ms + (0 if len(rows) == ROUND and last == rows[-1]["id"] else EVERY_MS)
        return last is not None
