"""Traps and a base joined by a simulated channel, in virtual time: real link ends, real frames.

Runs on CPython and MicroPython. Time moves in steps of 5 ms, the channel's clock.
"""

from tests.wire.keys import base_keys, trap_key
from trapsim.air import Air
from trapwire.alert import Alert
from trapwire.baselink import BaseLink
from trapwire.frame import Counter
from trapwire.linktimes import LinkTimes
from trapwire.objects import ALERT, CROP, Envelope, ObjectKey, decode_envelope
from trapwire.payloads import Heartbeat
from trapwire.traplink import TrapLink

STEP_MS = 5
EPOCH = 0xC0FFEE


class Random:
    """A small generator of its own (xorshift), so that both interpreters draw the same numbers."""

    def __init__(self, seed):
        self._state = (seed * 2654435761 + 1) & 0xFFFFFFFF

    def _next(self):
        x = self._state
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self._state = x
        return x

    def below(self, n):
        return self._next() % n if n > 0 else 0

    def unit(self):
        return self._next() / 4294967296

    def bytes(self, n):
        return bytes(self.below(256) for _ in range(n))


def no_reserve(_end):
    """A counter that need not survive: these worlds end with the test."""


class TrapNode:
    """A trap with its queue in memory."""

    def __init__(self, number, random, frame_bytes, heartbeat_ms):
        self.number = number
        self.queue = {}
        self.delivered = []
        self.received = []
        self._times = LinkTimes(heartbeat_ms=heartbeat_ms)
        self._frame_bytes = frame_bytes
        self._random = random
        self._priorities = {}
        self.counter = Counter(0, no_reserve)
        self.key = trap_key(number)
        self.told = []  # what words said: (when, event)
        self.now = self.started = 0
        self.link = self._make()

    def _make(self):
        return TrapLink(
            self.key, self._frame_bytes, self._times, self.counter, self.queue.get, self._random.below, self._beat
        )

    def restart(self):
        """The unit is reset: what it knew is gone, what is in flash is not."""
        self.link = self._make()
        self.started = self.now
        for key in sorted(self.queue, key=lambda k: k.as_tuple()):
            self.link.offer(key, self._priorities[key], fresh=False)

    def _beat(self):
        return Heartbeat({"battery": 80, "uptime_s": (self.now - self.started) // 1000})

    def hand_over(self, key, body, priority):
        self.queue[key] = Envelope(key, body).encode()
        self._priorities[key] = priority
        self.link.offer(key, priority)

    def on_frame(self, frame, now):
        for event in self.link.on_frame(frame, now):
            if event[0] == "delivered":
                self.delivered.append((now, event[1]))
                self.queue.pop(event[1], None)
            elif event[0] == "down":
                self.received.append(event[1])
                self.link.committed(event[1].key)
            elif event[0] not in ("heard", "dropped"):
                self.told.append((now, event))


class World:
    """`traps` traps and one base; `commit_ms`: how long ingest takes; None: it never commits; `words`: the base's."""

    def __init__(
        self, traps=1, loss=0.0, seed=1, commit_ms=30, frame_bytes=197, heartbeat_ms=20000, mangle=None, words=None
    ):
        self.random = Random(seed)
        self.air = Air(9, loss, self.random.unit)
        self.commit_ms = commit_ms
        self.frame_bytes = frame_bytes
        self.base_counter = Counter(0, no_reserve)
        self.keys = base_keys(range(1, traps + 1))
        self.words = words
        self.base = BaseLink(self.keys, frame_bytes, self.base_counter, words=words)
        self.traps = [TrapNode(n, self.random, frame_bytes, heartbeat_ms) for n in range(1, traps + 1)]
        self.air.nodes = set(range(traps + 1))
        self.now = 0
        self.committed = []  # keys, in the order of their commits; a key twice would be a sighting twice
        self.down_delivered = []
        self.heartbeats = []
        self.dropped = []
        self.mangle = mangle
        self.refuse = ()  # keys that ingest never commits
        self.snr_quarters = 20
        self.replies = []
        self._commits = []
        self._out = []
        self._sending = {}

    def forget(self):
        """The base starts again, with its keys and its counter and without what it heard."""
        self.keys = base_keys(sorted(self.keys))
        self.base = BaseLink(self.keys, self.frame_bytes, self.base_counter, words=self.words)

    def sighting(self, trap, number, crop_bytes=1500):
        """Hand over an alert and a crop."""
        node = self.traps[trap - 1]
        alert = Alert(1700000000000 + self.now, 200, 0, 200, 1, (10, 20, 30, 40), 80).encode()
        node.hand_over(ObjectKey(trap, EPOCH, number, ALERT), alert, 0)
        node.hand_over(ObjectKey(trap, EPOCH, number, CROP), self.random.bytes(crop_bytes), 1)

    def run(self, until, limit_ms):
        """Let time pass until `until()` or the limit; whether `until()` came true."""
        end = self.now + limit_ms
        while self.now < end:
            self.step()
            if until():
                return True
        return False

    def all_delivered(self):
        return all(not node.queue for node in self.traps)

    def step(self):
        self.now += STEP_MS
        now = self.now
        for node in self.traps:
            node.now = now
        for node, frame in self.air.advance(now):
            if self.mangle is not None:
                frame = self.mangle(frame)
            if node == 0:
                self._on_base(frame)
            else:
                self.traps[node - 1].on_frame(frame, now)
        for due, key in [c for c in self._commits if c[0] <= now]:
            self._commits.remove((due, key))
            self.committed.append(key)
            self.base.committed(key, now)
        self._out += self.base.frames_due(now)
        self._send(0, None)
        for node in self.traps:
            self._send(node.number, node.link)

    def _on_base(self, frame):
        for event in self.base.on_frame(frame, -90, self.snr_quarters, self.now):
            if event[0] == "object" and self.commit_ms is not None:
                key = decode_envelope(event[1]).key
                if key not in self.refuse:
                    self._commits.append((self.now + self.commit_ms, key))
            elif event[0] == "down_delivered":
                self.down_delivered.append(event[1])
            elif event[0] == "heartbeat":
                self.heartbeats.append(event[1])
            elif event[0] == "reply":
                self.replies.append(event[1:])
            elif event[0] == "dropped":
                self.dropped.append(event[1])

    def _send(self, node, link):
        if node in self._sending:
            if self._sending[node] > self.now:
                return
            del self._sending[node]
            if link is not None:
                link.sent(self.now)
        busy = self.air.busy(node, self.now)
        if link is not None:
            frame = link.next_frame(self.now, busy)
        else:
            frame = self._out.pop(0) if self._out and not busy else None
        if frame is not None:
            self._sending[node] = self.air.transmit(node, frame, self.now)
