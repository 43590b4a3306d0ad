"""One season, played: triggers, bursts, faults, deaths and starts in virtual time, until all is delivered."""

import errno
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from trapcam.camera import Camera
from trapcam.camera.device import CameraLostError
from trapcam.config import TrapSettings
from trapcam.judge import Judge
from trapcam.outbox import Outbox
from trapcam.states import STORED
from trapkit.errors import SetupError, StorageError
from trapship.keys import make_keys
from trapsim.crash import Died, Fuse
from trapsim.trapsoak import sickcard
from trapsim.trapsoak.books import Books, close_books
from trapsim.trapsoak.journal import Journal, Journaled, Watched
from trapsim.trapsoak.modules import PI_SOURCE, PiModules
from trapsim.trapsoak.outside import Outside, OutsideLine
from trapsim.trapsoak.pi import RESERVE_BYTES, Pi, settings_of
from trapsim.trapsoak.plan import DAY_MS, UTC_MS, YEAR_MS, Season, draws_of
from trapsim.trapsoak.planted import MarkReader, PlantedCamera
from trapwire.serialline import PUT, RECEIPT_TAKEN, WAKE

BUSY_MS, IDLE_MS = 5, 60  # between two steps
RESTART_MS = (300, 1_500)
REPAIR_MS = 8_000  # until somebody puts a key right
NIGHT_MS = (DAY_MS - 7_200_000, DAY_MS + 5_400_000)  # until the next day's wake
ROOM = 1 << 34  # free on a card that is well
BOUND_MS = 3_600_000  # after the last trigger everything is delivered
# Where a power cut may strike, besides the durable calls wherever they are.
STAGES = ("trigger", "capture", "judge", "seal", "commit", "hand-over", "receipt")
STAGE_DEATHS = 4  # of a season, about
FAULTY_KEYS = {
    "recipients missing": ("recipients.txt", None),
    "recipients damaged": ("recipients.txt", "age1thisisnone\n"),
    "base key damaged": ("base.pub", "00ff\n"),
}
Judges = Callable[[], Judge]


class Run:
    """Plays `season` in `folder`, which is new; `judge`: the detector; `photographs`: a folder of them, or None.

    die_at: stages and at which time that they are entered (from 1) the power goes, besides what the plan draws.
    """

    def __init__(
        self, season: Season, folder: Path, fuse: Fuse, judge: Judge | None = None, photographs: Path | None = None,
        die_at: Collection[tuple[str, int]] = (),
    ) -> None:  # fmt: skip
        self.season = season
        self.counts: Counter[str] = Counter()
        self.now = 0
        self._jump_ms = 0
        self._folder = folder
        self._fuse = fuse
        self._judge: Judge = judge or MarkReader()
        self._draws = draws_of(season.seed, season.number, "run")
        folder.mkdir(parents=True)
        make_keys(folder / "keys")
        backend = SigningKey(bytes(range(32)))
        (folder / "keys" / "backend.pub").write_text(bytes(backend.verify_key).hex())
        self._settings: TrapSettings = settings_of(folder)
        self._journal = Journal()
        self.outside = Outside(season, backend, networked=season.networked)
        self.outside.done = self._seen_to
        self._planted = PlantedCamera(season, self.system_ms, self.wait, photographs)
        self._modules = PiModules(season, self) if season.module else None
        self._source = PI_SOURCE if season.module else self._planted.source
        self._line = _MortalLine(self.outside, lambda: self.now, self._pass)
        self._pi: Pi | None = None
        self._start_at = 0
        self._moments = list(season.moments)
        self._repairs: list[tuple[int, Path, str]] = []
        self._position = 0
        self._deaths = list(season.deaths)
        self._to_stage_death = self._draws.randint(1, 200)
        self._stage_deaths = self._draws.randint(0, 2 * STAGE_DEATHS) if season.deaths else 0
        self._die_at = frozenset(die_at)
        self._entered: Counter[str] = Counter()
        self.said: list[str] = []

    def system_ms(self) -> int:
        """The computer's clock, which may be years off."""
        return UTC_MS + self.now + self.outside.slept_ms + self._jump_ms

    def set_clock(self, jump_ms: int) -> None:
        """The computer's clock is off by so much from now on."""
        self._jump_ms = jump_ms

    def wait(self, ms: int) -> None:
        """Time passes within a step: a slow card, a camera that hangs."""
        self.now += ms

    def run(self) -> Books:
        """The whole season, then the books."""
        self._arm()
        limit = self.season.length_ms + BOUND_MS
        while not self._finished():
            if self.now > limit:
                last = (self.said or [""])[-1]
                self.outside.violation(f"after {limit} ms the trap stands at {self._position}, not all told; {last}")
                break
            self._strike()
            busy = self._step()
            self.now += BUSY_MS if busy else IDLE_MS
        self._end(died=False)
        self.counts += self.outside.counts
        self.counts += self._modules.counts if self._modules is not None else Counter()
        thresholds = self._judge.description.thresholds
        return close_books(self.season, self._folder, self.outside, self._journal.lines, thresholds, self.said)

    def _finished(self) -> bool:
        """All bursts have an outcome, no fault is to come, and all that has a way to go has gone it."""
        if not self._seen_to() or self._moments or self._repairs or self._pi is None or not self.outside.settled:
            return False
        if any(end > self.now for _, _, end in self.season.spells):
            return False
        box = self._pi.outbox
        # The word that an object is delivered may be lost on the line: it is asked for at the next start, not before.
        stored = any(box.key(number, rung) not in self.outside.base for _, number, rung in box.in_state(STORED))
        return not box.waiting(1, 256) and not stored and not (self.season.networked and box.undelivered(1))

    def _seen_to(self) -> bool:
        return self._position >= len(self.season.bursts)

    # --- one step -------------------------------------------------------------------------------------------------

    def _step(self) -> bool:
        self.outside.listen(self.now)
        if self._pi is None and not self._start():
            return False
        assert self._pi is not None
        if self.season.networked:
            self._pi.bus.connected = not self.outside.in_spell("network down", self.now)
        try:
            if self._modules is not None:
                self._modules.tend()
            with self._card():
                busy = self._pi.step()
            self._position = self._pi.outbox.position(self._source)
        except Died:
            self._fuse.armed = False
            self.counts["power cuts"] += 1
            self._end(died=True)
            self._arm()
            return False
        except CameraLostError:
            self.counts["processes that ended for a new camera"] += 1
            self._end(died=False)
            return False
        if self._pi.left:
            self.counts["times the Pi was let go"] += 1
            self._end(died=False)
            self.outside.switched_off()
        return busy

    @contextmanager
    def _card(self) -> Iterator[None]:
        """The card as it is now, and the fuse, around one step."""
        outside, now, context = self.outside, self.now, nullcontext
        sick = context()
        if outside.in_spell("card full", now):
            sick = sickcard.full()  # type: ignore[assignment]
        elif outside.in_spell("card read-only", now):
            sick = sickcard.refusing(self._fuse, errno.EROFS, 1.0, self._draws)  # type: ignore[assignment]
        elif outside.in_spell("card errors", now):
            sick = sickcard.refusing(self._fuse, errno.EIO, sickcard.SICK, self._draws)  # type: ignore[assignment]
        elif outside.in_spell("card slow", now):
            sick = sickcard.slow(self._fuse, self.wait, self._draws)  # type: ignore[assignment]
        self._fuse.armed = True
        try:
            with sick:
                yield
        finally:
            self._fuse.armed = False

    # --- starts and ends ------------------------------------------------------------------------------------------

    def _start(self) -> bool:
        if self.now < self._start_at:
            return False
        self.counts["starts"] += 1
        own: Camera = self._planted if self._modules is None else self._modules.camera()
        camera = Journaled(own, self._journal, self._planted.place, lambda: self._pass("capture"))
        judge = Watched(self._judge, self._journal, lambda: self._pass("judge"))
        try:
            with self._card():
                self._pi = Pi(
                    self._settings, camera, judge, self._line,
                    system_ms=self.system_ms, monotonic_ms=lambda: self.now,
                    broker=self.outside.broker if self.season.networked else None, sealed=lambda: self._pass("seal"),
                    journal=self._journal, free=self._free,
                )  # fmt: skip
        except Died:
            self.counts["power cuts"] += 1
            self._end(died=True)
            self._arm()
        except (SetupError, StorageError, OSError) as error:  # as trapcam's command line has it
            self.counts["starts refused, with words"] += 1
            self.said.append(str(error))
            self._end(died=False)
            self._start_at = self.now + 5_000  # as systemd has it
        else:
            self._mark(self._pi.outbox, "commit", "commit")
            self._mark(self._pi.outbox, "apply_receipt", "receipt")
            if self._pi.outbox.missing:
                self.outside.violation(f"{self._pi.outbox.missing} full frames are gone")
        return self._pi is not None

    def _free(self, folder: Path) -> int:
        """What the card says is free on it."""
        return (
            self._draws.randint(0, 2 * RESERVE_BYTES) if self.outside.in_spell("card nearly full", self.now) else ROOM
        )

    def _end(self, *, died: bool) -> None:
        if self._pi is not None:
            self.said += self._pi.said
            self._pi.close()
            self._pi = None
        if self._modules is not None:
            self._modules.close()  # also of a start that came to nothing: the kernel takes the camera back
        self._start_at = self.now + self._draws.randint(*RESTART_MS)
        if died:
            self.outside.switched_off()

    def _mark(self, outbox: Outbox, name: str, stage: str) -> None:
        """Each durable call within that method of this outbox is that stage."""
        method = getattr(outbox, name)

        def marked(*args: Any) -> Any:
            well = self._fuse.fault is None
            if well:
                self._fuse.fault = lambda call: self._pass(stage)
            try:
                return method(*args)
            finally:
                if well:
                    self._fuse.fault = None

        setattr(outbox, name, marked)

    # --- what strikes ---------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """The next death at a durable call, if there is one."""
        if self._deaths:
            self._fuse.burn_at = frozenset((self._fuse.calls + self._deaths.pop(0),))

    def _pass(self, stage: str) -> None:
        """A stage is entered: the power may go here."""
        self._entered[stage] += 1
        struck = (stage, self._entered[stage]) in self._die_at
        if not struck and self._stage_deaths:
            self._to_stage_death -= 1
            if self._to_stage_death <= 0:
                self._to_stage_death, self._stage_deaths = self._draws.randint(1, 200), self._stage_deaths - 1
                struck = True
        if struck:
            self.counts[f"power cuts in {stage}"] += 1
            raise Died

    def _strike(self) -> None:
        for due in [repair for repair in self._repairs if repair[0] <= self.now]:
            self._repairs.remove(due)
            due[1].write_text(due[2])
        while self._moments and self._moments[0][0] <= self.now:
            _, name = self._moments.pop(0)
            if name in FAULTY_KEYS:
                self._spoil(name)
            elif name == "clock jumps":
                self._jump_ms = self._draws.choice((-1, 1)) * self._draws.randint(1, 30) * YEAR_MS
                self.counts[name] += 1
            elif name == "a day passes":
                self.outside.slept_ms += self._draws.randint(*NIGHT_MS)
                self.outside.strike(name)
                self._end(died=True)
            elif not self.outside.strike(name):
                if self._seen_to():
                    continue  # nothing will ever be there to sign for
                self._moments = sorted([*self._moments, (self.now + 5_000, name)])

    def _spoil(self, name: str) -> None:
        """A key file is missing or damaged, and the trap starts anew."""
        file, text = FAULTY_KEYS[name]
        path = self._folder / "keys" / file
        if self._repairs or not path.exists():
            return
        self._repairs.append((self.now + REPAIR_MS, path, path.read_text()))
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        self.counts[name] += 1
        self._end(died=False)


class _MortalLine(OutsideLine):
    """The same of the line: a trigger is taken and nothing made of it; something is said and not yet noted."""

    def __init__(self, outside: Outside, now_ms: Callable[[], int], hook: Callable[[str], None]) -> None:
        super().__init__(outside, now_ms)
        self._hook = hook

    def read(self) -> list[tuple[int, bytes]]:
        words = super().read()
        if any(kind == WAKE for kind, _ in words):
            self._hook("trigger")
        return words

    def send(self, kind: int, payload: bytes) -> bool:
        sent = super().send(kind, payload)
        if kind in (PUT, RECEIPT_TAKEN):
            self._hook("hand-over")
        return sent
