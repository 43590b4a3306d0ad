"""Hostile frames against a base and its traps with transfers half done: none taken, none raises, nothing grows."""

import gc
import tracemalloc
from typing import Any

from trapsim.ether import BASE
from trapsim.soakforge import Forger
from trapsim.soaknight import Night
from trapsim.soakplan import AIRS, Plan, TrapPlan, draws_of
from trapsim.soakstate import digest
from trapwire.errors import CAUSES
from trapwire.frame import peek_frame

ROUND_FRAMES = 20_000  # against one state of the link
LOOK_EVERY = 500  # frames between two looks at the whole state
WARM_UP = 200  # frames before memory is watched
FRAMES_A_MS = 20
GROWTH_MAX_BYTES = 32_768
PEAK_MAX_BYTES = 262_144  # with the transients of a frame, and of a look at the state
CROP_BYTES = (1500, 3000)
RECEIPT_BYTES = 3000  # more than one has: so that it takes several answers
IN_FLIGHT = 2  # objects half transferred, at the base or on a trap
TRAPS = 2
WAIT_MS = 3_600_000
HOSTILE_COUNTS = ("rounds", "frames", "events", "ignored", "short_tags", "long_tags", *CAUSES)


class Recorder:
    """Every frame that its receiver has heard: its counter is not new any more."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def on_sent(self, sender: int, frame: bytes, start: int, end: int) -> None: ...

    def on_heard(self, receiver: int, frame: bytes, now: int) -> None:
        head = peek_frame(frame)
        if receiver == (head.address if head.down else BASE):
            self.frames.append(frame)


def hostile_plan(seed: int, number: int) -> Plan:
    """Two traps with large objects both ways, on an air that loses a third, so that they stay half done for long."""
    draws = draws_of(seed, number, "hostile")
    air, sf = draws.choice(AIRS)
    traps = tuple(
        TrapPlan(
            first_counter=draws.getrandbits(31),
            sightings=tuple((at_ms, draws.randint(*CROP_BYTES)) for at_ms in (0, 20_000)),
            resets=(),
            receipts=((0, RECEIPT_BYTES), (30_000, RECEIPT_BYTES)),
        )
        for _ in range(TRAPS)
    )
    return Plan(
        seed=seed, night=number, plan=air, sf=sf, burst="none", loss=0.3, traps=traps,
        first_counter=draws.getrandbits(31), base_resets=(), slow_ms=400, refused=0.0, has_parrot=False,
    )  # fmt: skip


class Round:
    """Round `number`: `frames` hostile ones, then the night goes on. `run()` gives the violations."""

    def __init__(self, seed: int, number: int, frames: int) -> None:
        self.counts: dict[str, int] = dict.fromkeys(HOSTILE_COUNTS, 0)
        self.by_way: dict[str, int] = {}
        self.growth_bytes = 0
        self.peak_bytes = 0
        self._night = Night(hostile_plan(seed, number))
        self._frames = frames
        self._draws = draws_of(seed, number, "forger")
        self._links: list[Any] = [self._night.base.link, *(trap.link for trap in self._night.traps)]

    def run(self) -> list[str]:
        night = self._night
        recorder = night.ether.watch = Recorder()
        if not night.ether.run(self._in_flight, WAIT_MS):
            return [f"no {IN_FLIGHT} objects were half transferred within {WAIT_MS} ms"]
        left = night.ledger.left, night.ledger.left_down
        found = self._attack(Forger(self._draws, recorder.frames, TRAPS))
        if found or (night.ledger.left, night.ledger.left_down) != left:
            return found or ["something was settled by hostile frames"]
        return night.run()

    def _in_flight(self) -> bool:
        base, *traps = self._links
        gatherings = [peer.incoming for peer in base._peers.values()] + [trap._down._pieces for trap in traps]
        halves = sum(bool(partial.pieces) for gathering in gatherings for partial in gathering._partials.values())
        return halves >= IN_FLIGHT

    def _attack(self, forger: Forger) -> list[str]:
        ether, ledger = self._night.ether, self._night.ledger
        before = digest(*self._links)
        causes = {cause: sum(link.counts[cause] for link in self._links) for cause in CAUSES}
        tags = ledger.short_tags, ledger.long_tags
        ways = list(forger.ways)
        tracemalloc.start()
        try:
            for i in range(self._frames):
                if i == min(WARM_UP, self._frames - 1):
                    size = _traced()
                    tracemalloc.reset_peak()
                way = ways[i % len(ways)]
                self.by_way[way] = self.by_way.get(way, 0) + 1
                wrong = self._offer(forger.make(way), ether.now + i // FRAMES_A_MS)
                if wrong:
                    return [f"frame {i}, {way}: {wrong}"]
                if (i + 1) % LOOK_EVERY == 0 and digest(*self._links) != before:
                    return [f"the state of the link is another after frames {i + 1 - LOOK_EVERY} to {i}"]
            self.growth_bytes = _traced() - size
            self.peak_bytes = tracemalloc.get_traced_memory()[1] - size
        finally:
            tracemalloc.stop()
        ether.now += self._frames // FRAMES_A_MS
        self.counts["rounds"] = 1
        self.counts["frames"] = self._frames
        self.counts["short_tags"] = ledger.short_tags - tags[0]
        self.counts["long_tags"] = ledger.long_tags - tags[1]
        for cause in CAUSES:
            self.counts[cause] = sum(link.counts[cause] for link in self._links) - causes[cause]
        found = [] if digest(*self._links) == before else ["the state of the link is another after the last frames"]
        if self.growth_bytes > GROWTH_MAX_BYTES or self.peak_bytes > PEAK_MAX_BYTES:
            found.append(f"memory grew by {self.growth_bytes} bytes, {self.peak_bytes} at the most")
        return found

    def _offer(self, frame: bytes, now: int) -> str:
        """What is wrong with what the ends make of a frame; nothing, mostly."""
        base, *traps = self._links
        try:
            events = base.on_frame(frame, -90, 20, now)
            for trap in traps:
                events += trap.on_frame(frame, now)
        except Exception as error:  # that none comes is what is looked at
            return f"{type(error).__name__}: {error}; {frame.hex()}"
        self.counts["events"] += len(events)
        self.counts["ignored"] += len(self._links) - len(events)
        taken = [event for event in events if event[0] != "dropped"]
        return f"taken, {taken[0]!r}; {frame.hex()}" if taken else ""


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
