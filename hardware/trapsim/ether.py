"""The two ends of the link on the air in virtual time: events only, no clock, no sleep.

Real are `TrapLink` and `BaseLink`; what lies between them and the antennas (supervisor, modem, serial line, ingest)
is here as the times that it takes.
"""

import random
from collections.abc import Callable
from typing import Any, Protocol, cast

from trapkit.aes import AesCcm
from trapsim.air import Air
from trapsim.keyed import link_key
from trapsim.places import Places, Tuning
from trapwire.baselink import BaseLink
from trapwire.frame import MORE, Counter
from trapwire.linkkeys import DOWN, UP, LinkKey
from trapwire.linktimes import LinkTimes
from trapwire.objects import Envelope, ObjectKey, decode_envelope
from trapwire.payloads import Heartbeat
from trapwire.quick import QuickTurns
from trapwire.traplink import TrapLink

BASE = 0  # the base's number on the air; traps have theirs, from 1
TRAP_TURNAROUND_MS = 5  # from a frame's end to the next one's start: the radio's switch, the supervisor's loop
BASE_TURNAROUND_MS = 30  # the same, and a frame of 255 bytes over the modem's line at 115,200 baud
COMMIT_MS = 30  # ingest's commit
BLIND_MS = 10  # a frame's first symbols, which no channel activity detection has found yet
ASK_AGAIN_MS = 10  # the modem's, on a busy channel
SEED_STEP = 1009


class End(Protocol):
    """What stands at an antenna; times in ms."""

    turnaround_ms: int

    def on_frame(self, frame: bytes, now: int) -> None: ...
    def next_frame(self, now: int, busy: bool) -> bytes | None: ...
    def sent(self, now: int) -> None: ...
    def deadline(self, now: int) -> int | None: ...


class Watch(Protocol):
    """Told of every frame when it starts, and of every reception."""

    def on_sent(self, sender: int, frame: bytes, start: int, end: int) -> None: ...
    def on_heard(self, receiver: int, frame: bytes, now: int) -> None: ...


class Ether:
    """`ends` by their numbers on `air`; `watch` may be set at any time.

    An end is asked at the deadline it named, and when a frame came to it or left it: its wishes change only then,
    and between two calls of `run`.
    """

    def __init__(self, air: Air, ends: dict[int, End]) -> None:
        self.now = 0
        self.watch: Watch | None = None
        self._air = air
        self._ends = ends
        self._sending: dict[int, tuple[int, int]] = {}  # node: start and end
        self._free_at = dict.fromkeys(ends, 0)
        self._tuned: dict[int, int] = {}
        self._ask_at: dict[int, int | None] = dict.fromkeys(ends, 0)
        air.nodes = set(ends)

    def run(self, until: Callable[[], bool], limit_ms: int) -> bool:
        """Let time pass until `until()` or the limit; whether `until()` came true."""
        end = self.now + limit_ms
        self._ask_at = dict.fromkeys(self._ends, self.now)
        while True:
            following = self._round(self.now)
            if until():
                return True
            if following > end:
                self.now = end
                return False
            self.now = following

    def _round(self, now: int) -> int:
        """All that is due now; the next moment at which something may be."""
        for node, frame in self._air.advance(now):
            if self.watch is not None:
                self.watch.on_heard(node, frame, now)
            self._free_at[node] = max(self._free_at[node], now + self._ends[node].turnaround_ms)
            self._ends[node].on_frame(frame, now)
            self._ask_at[node] = now
        for node in [n for n, (_, end) in self._sending.items() if end <= now]:
            del self._sending[node]
            self._free_at[node] = now + self._ends[node].turnaround_ms
            self._ends[node].sent(now)
            self._ask_at[node] = now
        self._follow(now)
        for node, at in self._ask_at.items():
            if at is not None and at <= now:
                self._ask_at[node] = self._offer(node, now)
        due = [at for at in self._ask_at.values() if at is not None]
        air = self._air.deadline()
        return max(now + 1, min(due if air is None else [*due, air], default=now + 1000))

    def _follow(self, now: int) -> None:
        """Tune the antennas to where their ends are: their `sf`, for those that have one."""
        if not isinstance(self._air, Places):
            return
        for node, end in self._ends.items():
            sf = getattr(end, "sf", self._air.sf)
            if sf != self.tuned(node) and node not in self._sending:
                self._tuned[node] = sf
                self._air.tune(node, Tuning(sf), now)

    def tuned(self, node: int) -> int:
        """The spreading factor of a node's antenna."""
        return self._tuned.get(node, self._air.sf)

    def _offer(self, node: int, now: int) -> int | None:
        """Let an end send if it wants to; when it wants to be asked again."""
        if node in self._sending:
            return None
        end = self._ends[node]
        at = end.deadline(now)
        if at is None or max(at, self._free_at[node]) > now:
            return None if at is None else max(at, self._free_at[node])
        busy = any(start + BLIND_MS <= now for n, (start, _) in self._sending.items() if self._air.hears(node, n))
        frame = end.next_frame(now, busy)
        if frame is None:
            return end.deadline(now)
        until = self._air.transmit(node, frame, now)
        self._sending[node] = (now, until)
        if self.watch is not None:
            self.watch.on_sent(node, frame, now, until)
        return None


class TrapEnd:
    """A trap with its queue in memory, switched on at `on_ms`. `at(ms, …)` hands an object over at that time.

    `delivered`: key to ms; `heard`: whether the base has answered yet.
    """

    turnaround_ms = TRAP_TURNAROUND_MS

    def __init__(
        self, address: int, frame_bytes: int, seed: int, on_ms: int = 0, quick: tuple[int, int] | None = None
    ) -> None:
        self._on_ms = on_ms
        self._quick = QuickTurns(*quick, frame_bytes) if quick else None
        self._queue: dict[ObjectKey, bytes] = {}
        self._agenda: list[tuple[int, Envelope, int]] = []
        self.delivered: dict[ObjectKey, int] = {}
        self.heard = False
        draws = random.Random(seed * SEED_STEP + address)  # noqa: S311 - back-off, repeatable
        self._link = TrapLink(
            LinkKey(link_key(address), address, UP, AesCcm), frame_bytes, LinkTimes(), Counter(0, lambda _: None),
            self._queue.get, lambda n: draws.randrange(n) if n > 0 else 0, lambda: Heartbeat({"battery": 80}),
            None, self._quick,
        )  # fmt: skip

    @property
    def sf(self) -> int:
        """Where it is tuned, if it makes quick turns."""
        return self._quick.sf if self._quick else 0

    def at(self, ms: int, envelope: Envelope, priority: int) -> None:
        """Plan a hand-over."""
        self._agenda.append((ms, envelope, priority))
        self._agenda.sort(key=lambda planned: planned[0])

    def on_frame(self, frame: bytes, now: int) -> None:
        for event in cast("list[tuple[Any, ...]]", self._link.on_frame(frame, now)):
            self.heard = self.heard or event[0] == "heard"
            if event[0] == "delivered":
                self.delivered[event[1]] = now
                self._queue.pop(event[1], None)

    def next_frame(self, now: int, busy: bool) -> bytes | None:
        while self._agenda and self._agenda[0][0] <= now:
            _, envelope, priority = self._agenda.pop(0)
            self._queue[envelope.key] = envelope.encode()
            self._link.offer(envelope.key, priority)
        return self._link.next_frame(now, busy)

    def sent(self, now: int) -> None:
        self._link.sent(now)

    def deadline(self, now: int) -> int | None:
        at = self._link.deadline(now)
        if self._agenda and (at is None or self._agenda[0][0] < at):
            at = self._agenda[0][0]
        return at if at is None or at > self._on_ms else self._on_ms


class BaseEnd:
    """The base, its modem and an ingest that commits after `COMMIT_MS`; `committed`: key to ms."""

    turnaround_ms = BASE_TURNAROUND_MS

    def __init__(self, addresses: list[int], frame_bytes: int, quick: tuple[int, int] | None = None) -> None:
        self.sf = self._home = quick[0] if quick else 0
        self._turn: tuple[int, int] | None = None  # a quick turn to come: spreading factor and ms
        self._home_at = 0
        self.committed: dict[ObjectKey, int] = {}
        keys = {number: [LinkKey(link_key(number), number, DOWN, AesCcm)] for number in addresses}
        self._link = BaseLink(keys, frame_bytes, Counter(0, lambda _: None), 150, quick)
        self._commits: list[tuple[int, ObjectKey]] = []
        self._out: list[tuple[int, bytes]] = []
        self._again_at = 0

    def on_frame(self, frame: bytes, now: int) -> None:
        for event in cast("list[tuple[Any, ...]]", self._link.on_frame(frame, -90, 20, now)):
            if event[0] == "object":
                self._commits.append((now + COMMIT_MS, decode_envelope(event[1]).key))

    def next_frame(self, now: int, busy: bool) -> bytes | None:
        for due in [c for c in self._commits if c[0] <= now]:
            self._commits.remove(due)
            self.committed.setdefault(due[1], due[0])
            self._link.committed(due[1], now)
        self._out += [(now, frame) for frame in self._link.frames_due(now)]
        self._turn = self._link.take_tuning() or self._turn
        if self._turn is not None and not self._out:
            self.sf, self._home_at, self._turn = self._turn[0], now + self._turn[1], None
        elif self.sf != self._home and now >= self._home_at:
            self.sf = self._home
        # As the modem does: an answer that had to wait comes when its trap no longer listens.
        self._out = [(at, frame) for at, frame in self._out if now - at <= LinkTimes().reply_window_ms]
        if busy:
            self._again_at = now + ASK_AGAIN_MS
        if busy or not self._out:
            return None
        frame = self._out.pop(0)[1]
        if self.sf != self._home and not frame[0] & MORE:
            self._home_at = now
        return frame

    def sent(self, now: int) -> None:
        self._out = [(now, frame) for _, frame in self._out]

    def deadline(self, now: int) -> int | None:
        link = self._link.deadline()
        due = [at for at, _ in self._commits] + ([] if link is None else [link]) + ([now] if self._out else [])
        due += [now] if self._turn else [self._home_at] if self.sf != self._home else []
        return max(min(due), self._again_at) if due else None
