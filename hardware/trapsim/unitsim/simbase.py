"""The base at the far end: the real `BaseLink` on an antenna, an ingest that commits and then acknowledges, its faults.

`rows`: what ingest holds, for good: key to envelope. `repeats`: objects that came again and were dropped by their key,
as ingest does; `clashes`: with other bytes under the same key. What a base that restarts forgets is its memory, never
its rows or its counter.
"""

from trapsim.unitsim.antenna import RECEIVE, SEND, STANDBY, Aether, Chip
from trapsim.unitsim.dice import cipher
from trapwire.baselink import BaseLink
from trapwire.basewords import BaseWords
from trapwire.frame import Counter
from trapwire.linkkeys import DOWN, LinkKey
from trapwire.objects import Envelope, decode_envelope
from trapwire.payloads import Heartbeat

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from trapsim.unitsim.world import World

NODE = 0
COMMIT_MS = 40
TURN_MS = 5  # the modem's loop
CLOCK_UNCERTAINTY_MS = 50
RSSI_DBM = -97
LISTED = 100  # heartbeats that are remembered


class SimBase:
    """traps: their numbers and link keys (16 bytes); frame_bytes: the plan's largest at `sf`."""

    def __init__(self, world: "World", air: Aether, traps: "dict[int, bytes]", frame_bytes: int, sf: int) -> None:
        self._world = world
        self._keys = {trap: [LinkKey(traps[trap], trap, DOWN, cipher)] for trap in traps}
        self._frame_bytes = frame_bytes
        self.sf = sf
        self.chip = Chip(air, NODE, sf)
        self.chip.go(RECEIVE)
        self._reserved = 0
        self.rows: "dict[tuple[int, int, int, int], bytes]" = {}
        self.arrived: "dict[tuple[int, int, int, int], int]" = {}
        self.repeats = 0
        self.clashes = 0
        self.heartbeats: "list[tuple[int, int, Heartbeat]]" = []
        self.beats = 0
        self.replies: "list[tuple[int, ...]]" = []
        self.down_delivered = 0
        self.dropped: "list[str]" = []
        self.knows_time = True
        self.restart()
        world.add(self)

    def restart(self) -> None:
        """Its process ends and begins: what is in memory is gone. What it heard of each key lies on its disk."""
        self.words = BaseWords(self.sf)
        self.link = BaseLink(self._keys, self._frame_bytes, Counter(self._reserved, self._reserve), words=self.words)
        self._commits: "list[tuple[int, Envelope]]" = []
        self._out: "list[bytes]" = []

    def _reserve(self, end: int) -> None:
        self._reserved = end

    def retune(self, sf: int) -> None:
        """The base's operator moves the cell to another spreading factor."""
        self.sf = sf
        self.chip.go(STANDBY)
        self.chip.home_sf = sf
        self.chip.reset()
        self.chip.go(RECEIVE)

    def due(self) -> "int | None":
        """When it has something to do; at once for what it has heard."""
        now = self._world.now
        times = [at for at, _ in self._commits]
        if self.chip.sends_until is not None:
            times.append(self.chip.sends_until)
        elif self._out:
            times.append(now + TURN_MS)
        if self.chip.heard:
            times.append(now)
        deadline = self.link.deadline()
        if deadline is not None and self.chip.sends_until is None:
            times.append(max(deadline, now))
        return min(times) if times else None

    def act(self) -> None:
        now = self._world.now
        chip = self.chip
        self.words.clock(now, self._world.unix_ms(), CLOCK_UNCERTAINTY_MS if self.knows_time else None)
        if chip.sends_until is not None and now >= chip.sends_until:
            chip.sends_until = None
            chip.go(RECEIVE)
        heard, chip.heard = chip.heard, []
        for packet in heard:
            for event in self.link.on_frame(bytes(packet), RSSI_DBM, packet.snr, now):
                self._on_event(event, now)
        for entry in [c for c in self._commits if c[0] <= now]:
            self._commits.remove(entry)
            self._commit(entry[1], now)
        self._out += self.link.frames_due(now)
        if self._out and chip.sends_until is None and not chip.air.busy(NODE, now):
            chip.go(SEND)
            chip.sent += 1
            chip.sends_until = chip.air.transmit(NODE, self._out.pop(0), now)

    def _on_event(self, event: "tuple[object, ...]", now: int) -> None:
        if event[0] == "object":
            self._commits.append((now + COMMIT_MS, decode_envelope(event[1])))  # type: ignore[arg-type]
        elif event[0] == "heartbeat":
            self.heartbeats = self.heartbeats[-LISTED:] + [(now, event[1], event[2])]  # type: ignore[list-item]
            self.beats += 1
        elif event[0] == "reply":
            self.replies.append(event[1:])  # type: ignore[arg-type]
        elif event[0] == "down_delivered":
            self.down_delivered += 1
        elif event[0] == "dropped":
            self.dropped = (self.dropped + [str(event[1])])[-20:]

    def _commit(self, envelope: Envelope, now: int) -> None:
        key = envelope.key.as_tuple()
        data = envelope.encode()
        if key not in self.rows:
            self.rows[key] = data
            self.arrived[key] = now
        elif self.rows[key] == data:
            self.repeats += 1
        else:
            self.clashes += 1
        self.link.committed(envelope.key, now)
