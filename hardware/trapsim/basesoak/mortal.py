"""The base in one process and virtual time: its parts as `trapbase run` builds them, each of which may die."""

import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from trapbase.config import (
    BatchSettings,
    BusSettings,
    GatewaySettings,
    Settings,
    TrapSettings,
    UploadSettings,
)
from trapbase.parts import Part
from trapbase.run import BUILDERS
from trapkit.errors import SetupError, StorageError
from trapsim.basesoak.clock import WorldClock
from trapsim.basesoak.seams import Closable, Seams
from trapsim.basesoak.things import BACKEND_KEY, BOX_KEY
from trapsim.crash import Died, Fuse
from trapsim.keyed import link_key

RESTART_MS = 300
TURNS = 30  # of one part at one moment
# Where in the base a death struck, by the files on the way to it: the first that is named here.
PLACES = {
    "receipts.py": "receipts", "upload.py": "upload", "cutter.py": "batch", "ingest.py": "ingest", "store.py": "store",
    "gateway.py": "gateway", "keyring.py": "gateway", "parts.py": "start", "modem.py": "gateway",
}  # fmt: skip


def settings_in(folder: Path, radio: int, network: int) -> Settings:
    """A base's settings and its keys in `folder`: traps 1…radio by radio, those after them with a network."""
    link = folder / "link"
    link.mkdir(parents=True, exist_ok=True)
    for number in range(1, radio + 1):
        (link / f"{number}.key").write_text(link_key(number).hex() + "\n")
    (folder / "box.key").write_text(bytes(BOX_KEY).hex())
    (folder / "backend.pub").write_text(bytes(BACKEND_KEY.verify_key).hex())
    traps = tuple(
        TrapSettings(number=n, station=f"S{(n + 1) // 2:03}", side="left" if n % 2 else "right",
                     latitude=43.1, longitude=131.4)
        for n in range(1, radio + network + 1)
    )  # fmt: skip
    return Settings(
        name="north",
        folder=str(folder / "base"),
        box_key=str(folder / "box.key"),
        unit_keys=str(folder / "units"),
        bus=BusSettings(certificates=str(folder)),
        gateway=GatewaySettings(serial="modem", plan="cn470", sf=9, keys=str(link), republish_ms=1000),
        batch=BatchSettings(max_events=4, max_age_s=1, max_wait_s=20),
        upload=UploadSettings(
            url="http://backend", public_key=str(folder / "backend.pub"), chunk_bytes=1024, retry_min_s=0.2,
            retry_max_s=2, receipt_poll_s=0.3, down_republish_ms=1000,
        ),
        trap=traps,
    )  # fmt: skip


@dataclass(kw_only=True)
class _Program:
    """One part as a process of its own, or one of all in one process."""

    name: str
    part: Part | None = None
    opened: list[Closable] = field(default_factory=list)
    start_at: int = 0


class MortalBase:
    """`apart`: each part is a process of its own; otherwise all die together, as `trapbase run` does.

    `deaths`: where the fuse struck; `ended`: parts that ended by themselves, with their words; `violation` takes what a
    part may never do: end with anything but its own errors.
    """

    def __init__(
        self, settings: Settings, seams: Seams, clock: WorldClock, fuse: Fuse, violation: Callable[[str], None],
        *, apart: bool = False, parts: tuple[str, ...] = tuple(BUILDERS),
    ) -> None:  # fmt: skip
        self._settings = settings
        self._seams = seams
        self._clock = clock
        self._fuse = fuse
        self._violation = violation
        self._apart = apart
        self.programs = [_Program(name=name) for name in parts]
        self.deaths: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.troubles: set[str] = set()

    def step(self) -> bool:
        """One moment of every part; whether anything moved, died or was started."""
        moved = False
        for program in self.programs:
            moved |= self._step(program)
        return moved

    def _step(self, program: _Program) -> bool:
        now = self._clock.now
        if program.part is None and now < program.start_at:
            return False
        self._seams.opened = program.opened
        self._fuse.armed = True
        try:
            if program.part is None:
                program.part = BUILDERS[program.name](self._settings)
            moved = left = TURNS
            while left and program.part.step(now, self._clock.utc_ms):
                left -= 1
            self.troubles.add(program.part.trouble())
            return left < moved
        except Died as death:
            self.deaths[f"{program.name}: {_place(death)}"] += 1
            self.kill(program)
        except (SetupError, StorageError, OSError) as error:
            self.ended[str(error)[:120]] += 1
            self.kill(program)
        except Exception as error:  # it would be a traceback, and the end of a base
            last = traceback.extract_tb(error.__traceback__)[-1]
            self._violation(f"wrong: {program.name}: {type(error).__name__}: {error} ({last.filename}, {last.lineno})")
            self.kill(program)
        finally:
            self._fuse.armed = False
        return True

    def kill(self, program: _Program | None = None) -> None:
        """`kill -9` of one part where they are apart, else of all."""
        for each in [program] if program is not None and self._apart else self.programs:
            each.part = None
            each.start_at = self._clock.now + RESTART_MS
            while each.opened:
                with suppress(Exception):  # a cursor that the dead one had open
                    each.opened.pop().close()
            each.opened = []

    def stop(self) -> None:
        """As after SIGTERM."""
        for program in self.programs:
            if program.part is not None:
                program.part.close()
                program.part = None
            program.opened.clear()


def _place(death: Died) -> str:
    names = [frame.filename.rsplit("/", 1)[-1] for frame in traceback.extract_tb(death.__traceback__)]
    for name in names:
        if name in PLACES and name != "parts.py":
            return PLACES[name]
    return "start" if "parts.py" in names else "between"
