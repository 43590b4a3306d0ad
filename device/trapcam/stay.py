"""Whether a trap that could be switched off now stays, for what its network is still bringing to the base; pure.

A parked Pi is let go once it has said DONE. With a network it says so when everything is delivered, or when waiting any
longer would only cost the battery:
- the network is not there, and was not for `join_ms`: Wi-Fi takes a while after a start;
- it is there and the base has not got anything more for `stay_ms`, or does not answer at all;
- it has stayed for `longest_ms`: the supervisor takes a Pi that is busy for ten minutes (`times.pi_busy_ms`) for hung.
What is left then goes with the next start, from where it was.
"""

from dataclasses import dataclass
from typing import Protocol

from trapcam.timers import due


class Way(Protocol):
    """What is asked of a network (`trapcam.network.Network`)."""

    @property
    def connected(self) -> bool: ...

    @property
    def serving(self) -> bool:
        """Connected, and no answer is late."""

    @property
    def progress(self) -> int:
        """Times that the base was known to have more than before."""

    def left(self) -> bool:
        """Whether anything is here that could still go.  Raises: StorageError."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to stay, in ms; 0: not at all."""

    stay_ms: int = 120_000
    join_ms: int = 20_000
    longest_ms: int = 480_000


class Stay:
    """Of one trap's network. `stalled`: it seems to serve and brings nothing, so the radio may have what is left."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._since_ms: int | None = None  # nothing else is in hand, and something is left
        self._moved_ms: int | None = None
        self._progress = 0
        self._away_ms: int | None = None  # since when there is no connection
        self.stalled = False

    def see(self, way: Way, now_ms: int) -> None:
        """Every step: whether there is a connection."""
        if way.connected:
            self._away_ms = None
        elif self._away_ms is None:
            self._away_ms = now_ms

    def busy(self) -> None:
        """Something else is in hand: the waiting begins anew behind it."""
        self._since_ms = None
        self.stalled = False

    def wanted(self, way: Way, now_ms: int) -> bool:
        """Nothing else is in hand: whether to stay all the same.  Raises: StorageError."""
        if not way.left():
            self.busy()
            return False
        if self._since_ms is None or way.progress != self._progress:
            self._since_ms = now_ms if self._since_ms is None else self._since_ms
            self._moved_ms, self._progress = now_ms, way.progress
        self.stalled = way.connected and due(self._moved_ms, now_ms, self._patience.stay_ms)
        if due(self._since_ms, now_ms, self._patience.longest_ms):
            return False
        if not way.connected:
            return not due(self._away_ms, now_ms, self._patience.join_ms)
        return way.serving and not self.stalled
