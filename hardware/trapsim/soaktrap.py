"""The soak's trap: a real `TrapLink` over what is durable, thrown away and made anew at chosen moments.

What lasts is what `trapmcu.supervisor` keeps: the queue in flash, the end of the reserved counters, what was heard of
the base, written when it has risen by 256.
"""

import random
from collections import deque
from typing import Any, cast

from trapsim.ether import TRAP_TURNAROUND_MS
from trapsim.keyed import link_key
from trapsim.soakledger import Ledger
from trapsim.soakplan import TrapPlan
from trapwire.frame import Counter
from trapwire.linkkeys import NEVER, UP, LinkKey
from trapwire.linktimes import LinkTimes
from trapwire.objects import ALERT, CROP, Envelope, ObjectKey
from trapwire.payloads import Heartbeat
from trapwire.traplink import TrapLink

EPOCH = 0xC0FFEE
BOOT_MS = (200, 3000)
HEARD_STEP = 256  # as trapmcu.supervisor


class SoakTrap:
    """Trap `number` after its plan. `resets`: how many there were."""

    turnaround_ms = TRAP_TURNAROUND_MS

    def __init__(self, number: int, plan: TrapPlan, frame_bytes: int, draws: random.Random, ledger: Ledger) -> None:
        self.number = number
        self.resets = 0
        self._frame_bytes = frame_bytes
        self._draws = draws
        self._ledger = ledger
        self._agenda = deque(self._objects(plan))
        self._planned = deque(plan.resets)
        ledger.left += len(self._agenda)
        self._flash: dict[ObjectKey, tuple[int, bytes]] = {}
        self._down: dict[ObjectKey, bytes] = {}
        self._first = plan.first_counter
        self._heard = NEVER
        self._dead_until = 0
        self._on_air: TrapLink | None = None  # whose frame is in the air
        self._start()

    def _objects(self, plan: TrapPlan) -> list[tuple[int, int, ObjectKey, int]]:
        """What is handed over, and when: ms, priority, key, bytes of its body."""
        objects = []
        for event, (at_ms, crop_bytes) in enumerate(plan.sightings, 1):
            objects.append((at_ms, 0, ObjectKey(self.number, EPOCH, event, ALERT), 14))
            if crop_bytes:
                objects.append((at_ms, 1, ObjectKey(self.number, EPOCH, event, CROP), crop_bytes))
        return objects

    def _start(self) -> None:
        self.key = LinkKey(link_key(self.number), self.number, UP, self._ledger.cipher, self._heard)
        self.link = TrapLink(
            self.key, self._frame_bytes, LinkTimes(), Counter(self._first, self._reserve),
            self._load, lambda n: self._draws.randrange(n) if n > 0 else 0, lambda: Heartbeat({"battery": 80}),
        )  # fmt: skip
        self._refill()

    def _reset(self, now: int) -> None:
        self._planned.popleft()
        self.resets += 1
        self._dead_until = now + self._draws.randint(*BOOT_MS)
        self._start()

    def _strikes(self, now: int, *moments: str) -> bool:
        """Whether a reset that is due strikes at this moment."""
        return bool(self._planned) and self._planned[0][0] <= now and self._planned[0][1] in moments

    def _reserve(self, end: int) -> None:
        self._first = end

    def _load(self, key: ObjectKey) -> bytes | None:
        return self._flash[key][1] if key in self._flash else None

    def _refill(self) -> None:
        for key, (priority, _) in sorted(self._flash.items(), key=lambda kept: (kept[1][0], kept[0].as_tuple())):
            self.link.offer(key, priority, False)
            if not self.link.has_room():
                return

    def on_frame(self, frame: bytes, now: int) -> None:
        if now < self._dead_until:
            return
        if self._strikes(now, "hearing"):
            self._reset(now)
            return
        events = cast("list[tuple[Any, ...]]", self.link.on_frame(frame, now))
        if self._strikes(now, "heard") and any(event[0] in ("delivered", "down") for event in events):
            self._reset(now)
            return
        for event in events:
            if event[0] == "delivered":
                self._ledger.told(event[1], now)
                self._flash.pop(event[1], None)
            elif event[0] == "down":
                self._store(event[1], now)
        if self.key.heard - self._heard >= HEARD_STEP:
            self._heard = self.key.heard

    def _store(self, envelope: Envelope, now: int) -> None:
        self._down.setdefault(envelope.key, envelope.encode())
        self._ledger.came_down(envelope.key, envelope.encode(), now)
        self.link.committed(envelope.key)

    def next_frame(self, now: int, busy: bool) -> bytes | None:
        if now < self._dead_until:
            return None
        if self._strikes(now, "any"):
            self._reset(now)
            return None
        while self._agenda and self._agenda[0][0] <= now:
            at_ms, priority, key, size = self._agenda.popleft()
            envelope = Envelope(key, self._draws.randbytes(size)).encode()
            self._flash[key] = (priority, envelope)
            self._ledger.handed(key, envelope, at_ms)
            self.link.offer(key, priority)
        if self.link.queued() < len(self._flash) and self.link.has_room():
            self._refill()
        frame = self.link.next_frame(now, busy)
        if frame is None:
            return None
        if self._strikes(now, "sealed"):
            self._reset(now)
            return None
        self._on_air = self.link
        if self._strikes(now, "sending"):
            self._reset(now)
        return frame

    def sent(self, now: int) -> None:
        if self._on_air is self.link:
            self.link.sent(now)

    def deadline(self, now: int) -> int | None:
        if now < self._dead_until:
            return self._dead_until
        at = self.link.deadline(now)
        due = [] if at is None else [at]
        if self._agenda:
            due.append(self._agenda[0][0])
        if self._planned and self._planned[0][1] == "any":
            due.append(self._planned[0][0])
        return min(due) if due else None
