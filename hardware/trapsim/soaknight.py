"""One night of the soak, run and checked: traps and a base over the air in virtual time."""

import random
from collections import deque

from trapsim.ether import BASE, End, Ether
from trapsim.fades import KINDS, FadingAir
from trapsim.soakbase import SoakBase
from trapsim.soakledger import Ingest, Ledger
from trapsim.soakplan import Plan, draws_of
from trapsim.soaktrap import SoakTrap
from trapwire.airtime import usable_frame

BOUND_MS = 12 * 3_600_000  # of virtual time after the last thing that was planned
DOWN_BOUND_MS = 7 * 24 * 3_600_000  # after that, for receipts: once all is delivered they wait for hourly heartbeats
PARROT = 0x7FFF  # its number on the air
PARROT_PLAYS = 300  # in a night, as long as it is meant to be
PARROT_EVERY_LEAST_MS = 2000
PARROT_FRAMES = 500  # that it remembers
COUNTS = (
    "nights", "alerts", "crops", "receipts", "frames", "lost", "collided", "trap_resets", "base_resets", "repeats",
    "refused", "played", "nonces", "virtual_s",
)  # fmt: skip


class Parrot:
    """Plays again what it heard, without a key, at random moments, into whatever is on the air."""

    turnaround_ms = 0

    def __init__(self, draws: random.Random, every_ms: int) -> None:
        self.played = 0
        self._every_ms = every_ms
        self._draws = draws
        self._heard: deque[bytes] = deque(maxlen=PARROT_FRAMES)
        self._at = 0

    def on_frame(self, frame: bytes, now: int) -> None:
        self._heard.append(frame)

    def next_frame(self, now: int, busy: bool) -> bytes | None:
        self._at = now + 1 + int(self._draws.expovariate(1 / self._every_ms))
        if not self._heard:
            return None
        self.played += 1
        return self._draws.choice(self._heard)

    def sent(self, now: int) -> None: ...

    def deadline(self, now: int) -> int | None:
        return self._at


class Night:
    """The ends of one plan on their air. `run()` lets it pass; `counts()`: what happened; `ledger`: what may not."""

    def __init__(self, plan: Plan) -> None:
        limit = usable_frame(plan.plan, plan.sf)
        self.plan = plan
        self.ingest = Ingest()
        self.ledger = Ledger(self.ingest)
        self.base = SoakBase(plan, limit, self._draws("base"), self.ledger, self.ingest)
        self.traps = [
            SoakTrap(number, trap, limit, self._draws(f"trap {number}"), self.ledger)
            for number, trap in enumerate(plan.traps, 1)
        ]
        self._last_ms = max(at_ms for trap in plan.traps for at_ms, _ in trap.sightings)
        self.parrot = Parrot(self._draws("parrot"), max(PARROT_EVERY_LEAST_MS, self._last_ms // PARROT_PLAYS))
        ends: dict[int, End] = {BASE: self.base, **{trap.number: trap for trap in self.traps}}
        if plan.has_parrot:
            ends[PARROT] = self.parrot
        losses = KINDS[plan.burst](plan.loss, self._draws("losses").getrandbits(32))
        self.air = FadingAir(plan.sf, losses)
        self.air.start(0)
        self.ether = Ether(self.air, ends)

    def _draws(self, what: str) -> random.Random:
        return draws_of(self.plan.seed, self.plan.night, what)

    def run(self) -> list[str]:
        """The violations, none in a good night."""
        ledger = self.ledger
        if self.ether.run(lambda: not ledger.left or bool(ledger.violations), self._last_ms + BOUND_MS):
            self.ether.run(lambda: not ledger.left_down or bool(ledger.violations), DOWN_BOUND_MS)
        self.ledger.close(self.ether.now)
        return self.ledger.violations

    def counts(self) -> dict[str, int]:
        """`COUNTS`, and the longest wait of an alert."""
        traps = self.plan.traps
        return {
            "nights": 1,
            "alerts": self.plan.alerts,
            "crops": sum(bool(size) for trap in traps for _, size in trap.sightings),
            "receipts": sum(len(trap.receipts) for trap in traps),
            "frames": self.air.frames,
            "lost": self.air.lost,
            "collided": self.air.collisions,
            "trap_resets": sum(trap.resets for trap in self.traps),
            "base_resets": self.base.resets,
            "repeats": self.ingest.repeats,
            "refused": self.base.refused,
            "played": self.parrot.played,
            "nonces": self.ledger.nonces,
            "virtual_s": self.ether.now // 1000,
            "longest_ms": self.ledger.longest_ms,
        }
