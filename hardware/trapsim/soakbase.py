"""The soak's base: a real `BaseLink` over what is durable, an ingest behind it, a modem before it.

What lasts a reset: what ingest has committed, the end of the reserved counters, what was heard of each trap (written
once a minute at most), the receipts that wait for their traps; and, unless the power fails, what is on its way to
ingest and the pieces of objects that are not whole.
"""

import random
from collections import deque
from typing import Any, cast

from trapsim.ether import ASK_AGAIN_MS, BASE_TURNAROUND_MS
from trapsim.keyed import link_key
from trapsim.soakledger import Ingest, Ledger
from trapsim.soakplan import Plan
from trapsim.soaktrap import BOOT_MS, EPOCH
from trapwire.baselink import BaseLink
from trapwire.frame import Counter
from trapwire.linkkeys import DOWN, NEVER, LinkKey
from trapwire.linktimes import LinkTimes
from trapwire.objects import RECEIPT, Envelope, ObjectKey

COMMIT_LEAST_MS = 5
REMEMBER_EVERY_MS = 60_000  # as trapbase.keyring
PIECES_ANEW = 300  # as trapbase.pieces, which counts in bytes


class SoakBase:
    """The base after the night's plan. `resets`: how many there were; `refused`: commits that ingest would not take."""

    turnaround_ms = BASE_TURNAROUND_MS

    def __init__(self, plan: Plan, frame_bytes: int, draws: random.Random, ledger: Ledger, ingest: Ingest) -> None:
        self.resets = 0
        self.refused = 0
        self._plan = plan
        self._frame_bytes = frame_bytes
        self._draws = draws
        self._ledger = ledger
        self._ingest = ingest
        self._planned = deque(plan.base_resets)
        self._agenda = deque(self._receipts())
        ledger.left_down += len(self._agenda)
        self._waiting: dict[ObjectKey, Envelope] = {}
        self._first = plan.first_counter
        self._heard = dict.fromkeys(range(1, len(plan.traps) + 1), NEVER)
        self._remember_at = 0
        self._commits: list[tuple[int, ObjectKey, bytes]] = []
        self._pieces: list[tuple[int, int, bytes]] = []
        self._out: list[tuple[int, bytes]] = []
        self._again_at = 0
        self._dead_until = 0
        self._start(0)

    def _receipts(self) -> list[tuple[int, ObjectKey, int]]:
        found = []
        for number, trap in enumerate(self._plan.traps, 1):
            for count, (at_ms, size) in enumerate(trap.receipts, 1):
                found.append((at_ms, ObjectKey(number, EPOCH, count, RECEIPT), size))
        return sorted(found, key=lambda planned: planned[0])

    def _start(self, now: int) -> None:
        self.keys = {
            number: [LinkKey(link_key(number), number, DOWN, self._ledger.cipher, heard)]
            for number, heard in self._heard.items()
        }
        self.link = BaseLink(self.keys, self._frame_bytes, Counter(self._first, self._reserve))
        for envelope in self._waiting.values():
            self.link.offer_down(envelope)
        for trap, kind, payload in self._pieces:
            self._take(cast("list[tuple[Any, ...]]", self.link.recall(trap, kind, payload, now)), now)

    def _reset(self, now: int) -> None:
        _, moment = self._planned.popleft()
        self.resets += 1
        if moment == "power":
            self._commits.clear()
            del self._pieces[self._draws.randint(0, len(self._pieces)) :]
        if moment in ("power", "sealed"):
            self._out.clear()
        self._dead_until = now + self._draws.randint(*BOOT_MS)
        self._start(now)

    def _strikes(self, now: int, *moments: str) -> bool:
        """Whether a reset that is due strikes at this moment."""
        return bool(self._planned) and self._planned[0][0] <= now and self._planned[0][1] in moments

    def _reserve(self, end: int) -> None:
        self._first = end

    def on_frame(self, frame: bytes, now: int) -> None:
        if now < self._dead_until:
            return
        if self._strikes(now, "hearing"):
            self._reset(now)
            return
        events = cast("list[tuple[Any, ...]]", self.link.on_frame(frame, -90, 20, now))
        if self._strikes(now, "heard") and any(event[0] in ("object", "down_delivered") for event in events):
            self._reset(now)
            return
        self._take(events, now)
        if now >= self._remember_at:
            self._remember_at = now + REMEMBER_EVERY_MS
            self._heard = {number: keys[0].heard for number, keys in self.keys.items()}

    def _take(self, events: list[tuple[Any, ...]], now: int) -> None:
        for event in events:
            if event[0] == "object":
                key = self._ledger.arrived(event[1], now)
                if key is not None:
                    due = now + self._draws.randint(COMMIT_LEAST_MS, self._plan.slow_ms)
                    self._commits.append((due, key, event[1]))
            elif event[0] == "down_delivered":
                self._ledger.taken(event[1], now)
                self._waiting.pop(event[1], None)
            elif event[0] == "piece":
                self._pieces.append(event[1:])
                if len(self._pieces) > PIECES_ANEW:
                    self._pieces = self.link.partials()

    def _commit(self, now: int) -> None:
        """What ingest has on the disk by now, and says to the link."""
        for due in [c for c in self._commits if c[0] <= now]:
            self._commits.remove(due)
            _, key, envelope = due
            if self._draws.random() < self._plan.refused:
                self.refused += 1
                self.link.forget(key)
                continue
            self._ingest.commit(key, envelope)
            if self._strikes(now, "committed"):
                self._reset(now)
            else:
                self.link.committed(key, now)

    def next_frame(self, now: int, busy: bool) -> bytes | None:
        if now < self._dead_until:
            return None
        if self._strikes(now, "any", "power"):
            self._reset(now)
            return None
        while self._agenda and self._agenda[0][0] <= now:
            _, key, size = self._agenda.popleft()
            envelope = Envelope(key, self._draws.randbytes(size))
            self._waiting[key] = envelope
            self._ledger.offered(key, envelope.encode())
            self.link.offer_down(envelope)
        self._commit(now)
        frames = self.link.frames_due(now)
        if frames and self._strikes(now, "sealed"):
            self._reset(now)
            return None
        self._out += [(now, frame) for frame in frames]
        # As the modem does: an answer that had to wait comes when its trap no longer listens.
        self._out = [(at, frame) for at, frame in self._out if now - at <= LinkTimes().reply_window_ms]
        if busy:
            self._again_at = now + ASK_AGAIN_MS
        return None if busy or not self._out else self._out.pop(0)[1]

    def sent(self, now: int) -> None:
        self._out = [(now, frame) for _, frame in self._out]

    def deadline(self, now: int) -> int | None:
        if now < self._dead_until:
            return self._dead_until
        link = self.link.deadline()
        due = [at for at, _, _ in self._commits] + ([] if link is None else [link]) + ([now] if self._out else [])
        if self._agenda:
            due.append(self._agenda[0][0])
        if self._planned and self._planned[0][1] in ("any", "power"):
            due.append(self._planned[0][0])
        return max(min(due), self._again_at) if due else None
