"""A trap whose base does not hear it, and a repeater between them; else as `tests.wire.world`. Both interpreters."""

from tests.wire.keys import base_keys, cipher
from tests.wire.world import TrapNode, World
from trapsim.places import Places
from trapwire.hop import HopKey
from trapwire.hopbase import HopBaseLink
from trapwire.hoptrap import HopTrapLink
from trapwire.relay import Relay

SF = 9
FRAME_BYTES = 197  # CN470 at SF9


def hop_key(trap):
    """Of trap `trap` in all tests: what a holder makes of it."""
    return HopKey(bytes([trap, 0xEE]) * 8, trap, cipher)


class HopTrapNode(TrapNode):
    def _make(self):
        return HopTrapLink(
            hop_key(self.number), SF, self.key, self._frame_bytes, self._times, self.counter, self.queue.get,
            self._random.below, self._beat,
        )  # fmt: skip


class HopWorld(World):
    """Traps 1…`traps` by repeaters -1, -2…; the base, 0, hears those only."""

    def __init__(self, traps=1, loss=0.0, seed=1, repeaters=1, burst_s=600, commit_ms=30, heartbeat_ms=20000):
        super().__init__(traps, loss, seed, commit_ms, FRAME_BYTES, heartbeat_ms)
        self.air = Places(SF, loss, self.random.unit)
        numbers = list(range(1, traps + 1))
        self.base = HopBaseLink({n: hop_key(n) for n in numbers}, SF, self.keys, FRAME_BYTES, self.base_counter)
        self.traps = [HopTrapNode(n, self.random, FRAME_BYTES, heartbeat_ms) for n in numbers]
        self.relays = {}
        for node in range(-repeaters, 0):
            keys = {n: hop_key(n) for n in numbers}
            self.relays[node] = Relay(keys, FRAME_BYTES, SF, burst_s, 100, self.random.below)
        self.air.nodes = set(range(-repeaters, traps + 1))
        self.air.deaf = {(0, n) for n in numbers}

    def forget(self):
        self.keys = base_keys(sorted(self.keys))
        hops = {n: hop_key(n) for n in self.keys}
        self.base = HopBaseLink(hops, SF, self.keys, FRAME_BYTES, self.base_counter)

    def run(self, until, limit_ms):
        """As the world's, but a time in which nothing can happen is leapt over."""
        end = self.now + limit_ms
        while self.now < end:
            self.now += max(0, min(self._next() - self.now, end - self.now) // 5 * 5 - 5)
            self.step()
            if until():
                return True
        return False

    def _next(self):
        parts = [node.link.deadline(self.now) for node in self.traps] + [self.base.deadline(), self.air.deadline()]
        parts += [unit.deadline() for unit in self.relays.values()] + [due for due, _ in self._commits]
        parts += list(self._sending.values()) + ([self.now] if self._out else [])
        return min([at for at in parts if at is not None], default=self.now + 1000)

    def step(self):
        self.now += 5
        now = self.now
        for node, frame in self.air.advance(now):
            if node == 0:
                self._on_base(frame)
            elif node > 0:
                self.traps[node - 1].on_frame(frame, now)
            elif node in self.relays:
                self.relays[node].on_frame(frame, now)
        for due, key in [c for c in self._commits if c[0] <= now]:
            self._commits.remove((due, key))
            self.committed.append(key)
            self.base.committed(key, now)
        self._out += self.base.frames_due(now)
        self._send(0, None)
        for node in self.traps:
            self._send(node.number, node.link)
        for node in sorted(self.relays):
            self._relay(node, self.relays[node])

    def _relay(self, node, relay):
        if self._sending.get(node, 0) > self.now:
            return
        self._sending.pop(node, None)
        frame = relay.next_frame(self.now, self.air.busy(node, self.now))
        if frame is not None:
            self._sending[node] = self.air.transmit(node, frame, self.now)
