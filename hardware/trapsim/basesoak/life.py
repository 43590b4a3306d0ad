"""A whole base with its traps and its back end in virtual time, in one folder: what every part of the soak plays."""

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from trapbase.config import Settings, frame_bytes
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapsim.basesoak.antenna import Antenna
from trapsim.basesoak.books import MAX_VIOLATIONS, Books
from trapsim.basesoak.clock import WorldClock
from trapsim.basesoak.mortal import MortalBase, settings_in
from trapsim.basesoak.seams import ModemEnd, Seams, Way
from trapsim.basesoak.things import BACKEND_KEY, BY_NETWORK, BY_RADIO, EPOCH, UTC_MS, sighting
from trapsim.basesoak.traps import NetTrap, RadioTrap, Trap
from trapsim.crash import Fuse
from trapsim.memorybus import MemoryBroker
from trapwire.linktimes import LinkTimes

IDLE_MS = 250
QUICK_MS = 25  # while something is on its way
LISTENING_MS = 600
LIMIT_MS = 300_000
AGAIN_COUNTER = 1_000_000  # of traps' frames in a life that goes on: above all that were sent before
TIMES = {"heartbeat_ms": 3000, "pause_max_ms": 8000}


class Life:
    """`radio` and `network`: how many traps of each kind; `unheard`: more that the base knows; `wrap`: puts something
    before the back end; `again`: names this going on of a life that was there before: counters and names go on."""

    def __init__(
        self,
        folder: Path,
        draws: random.Random,
        fuse: Fuse,
        *,
        radio: int = 1,
        network: int = 1,
        unheard: int = 0,
        loss: float = 0.0,
        apart: bool = False,
        times: dict[str, int] = TIMES,
        idle_ms: int = IDLE_MS,
        wrap: Callable[[DirectOutlet], Way] = lambda outlet: outlet,
        change: Callable[[Settings], Settings] = lambda settings: settings,
        books: Books | None = None,
        again: str = "",
    ) -> None:
        self.folder = folder
        self.clock = WorldClock()
        self.broker = MemoryBroker()
        self.books = books or Books(folder)
        self.fuse = fuse
        self.idle_ms = idle_ms
        self.settings = change(settings_in(folder, radio, network + unheard))
        self.line = ModemEnd(fuse)
        (folder / "backend").mkdir(parents=True, exist_ok=True)
        names = random.Random(f"{draws.random()}{again}")  # noqa: S311 - names of uploads, repeatable
        self.backend = BackendStore(folder / "backend", bytes(BACKEND_KEY), lambda: names.randbytes(16).hex())
        self.outlet = DirectOutlet(self.backend)
        self.seams = Seams(self.broker, self.line, wrap(self.outlet), self.clock, fuse)
        self.base = MortalBase(self.settings, self.seams, self.clock, fuse, self.books.violation, apart=apart)
        self.antenna = Antenna(self.line, self.books, loss, random.Random(draws.random()))  # noqa: S311 - losses
        self.net_traps: list[NetTrap] = []
        size, first = frame_bytes(self.settings.gateway), AGAIN_COUNTER if again else 0
        for number in range(1, radio + 1):
            pauses = random.Random(draws.random())  # noqa: S311 - back-off, repeatable
            self.antenna.traps.append(RadioTrap(number, self.books, size, pauses, LinkTimes(**times), first))
        for number in range(radio + 1, radio + network + 1):
            self.net_traps.append(NetTrap(number, self.books, self.broker))

    @property
    def traps(self) -> list[Trap]:
        return [*self.antenna.traps, *self.net_traps]

    def see(self, trap: Trap, numbers: Iterable[int], draws: random.Random) -> None:
        """Sightings of one trap, handed over now; what they are is the same whenever that is."""
        rungs = BY_RADIO if isinstance(trap, RadioTrap) else BY_NETWORK
        for number in numbers:
            trap.see(sighting(draws, (trap.number, EPOCH, number), UTC_MS + number * 1000, rungs))

    def run(self, until: Callable[[], bool], limit_ms: int | None = None) -> bool:
        """Let time pass until `until()` or the limit (`LIMIT_MS`); whether `until()` came true."""
        end = self.clock.now + (LIMIT_MS if limit_ms is None else limit_ms)
        while self.clock.now < end:
            moved = self.moment()
            if until():
                return True
            if len(self.books.violations) >= MAX_VIOLATIONS:
                return False  # nothing more would be told of it
            self.clock.now = self._next(moved, end)
        return False

    def moment(self) -> bool:
        """All that is due now."""
        now = self.clock.now
        self.antenna.step(now)
        for trap in self.net_traps:
            trap.step(now)
        moved = self.base.step()
        self.antenna.step(now)
        return moved

    def _next(self, moved: bool, end: int) -> int:
        now = self.clock.now
        due = [now + (QUICK_MS if moved else self.idle_ms), end]
        air = self.antenna.due(now)
        if air is not None:
            due.append(max(air, now + 1))
            if air - now <= LISTENING_MS:
                due.append(now + QUICK_MS)  # the base may be about to answer a trap that listens
        for trap in self.net_traps:
            at = trap.due(now)
            if at is not None:
                due.append(max(at, now + QUICK_MS))
        return max(now + 1, min(due))

    def is_done(self) -> bool:
        """Whether every trap has let go of everything."""
        return all(trap.is_done for trap in self.traps)

    def finish(self, limit_ms: int | None = None) -> None:
        """To the end: all delivered, receipted and let go; then the base is stopped, and the books are closed."""
        if not self.run(self.is_done, limit_ms):
            left = [key for trap in self.traps for key in [*trap.waiting, *trap.card]]
            self.books.violation(
                f"lost: after {(limit_ms or LIMIT_MS) // 1000} s {len(left)} objects are still on their traps, "
                f"{left[:2]!r}; the base says {sorted(self.base.troubles - {''})[:3]}"
            )
        # The last receipts are taken at the traps; the base is told so in the next turns.
        self.run(lambda: False, 5_000)
        self.end()
        self.books.close()

    def end(self) -> None:
        """Stop everything."""
        with suppress(OSError):
            self.base.stop()
        self.backend.close()
