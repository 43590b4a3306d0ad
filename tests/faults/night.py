"""A short night on the whole path in virtual time, with a fault in its middle; the auditor has the last word."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE, getrlimit, prlimit, setrlimit
from typing import Any

import numpy as np
from PIL import Image

from trapsim.audit import Audit, look
from trapsim.crash import Fuse
from trapsim.station import Station
from trapsim.world import Process, World

FAULT_MS = (2200, 62_200)  # after the first sighting, and for a minute
LIMIT_MS = 900_000
PIR_MS = [*range(1200, 6000, 400), *range(6000, LIMIT_MS, 5000)]
CORNERS = ((255, 0, 0), (90, 90, 90), (0, 0, 255), (255, 0, 0))  # a feline, nothing, a person, a feline


@contextmanager
def full_disk() -> Iterator[None]:
    """No byte more into any file of this process: what a full card does, for those who may not make one."""
    soft, hard = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        setrlimit(RLIMIT_FSIZE, (soft, hard))


def fill_disk_of(pid: int, bytes_left: int = 0) -> None:
    """The same for another process; `RLIM_INFINITY` makes room again."""
    prlimit(pid, RLIMIT_FSIZE, (bytes_left, RLIM_INFINITY))


def write_pictures(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number, corner in enumerate(CORNERS):
        pixels = np.full((24, 32, 3), 100 + number, dtype=np.uint8)
        pixels[0, 0] = corner
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


class Night:
    """One trap, a base and a back end on one clock; a fault from and until `fault_ms`."""

    def __init__(self, folder: Path, fault_ms: tuple[int, int] = FAULT_MS) -> None:
        self.folder = folder
        self.fault_ms = fault_ms
        self.world = World(seed=1, loss=0.0, sf=7, fuse=Fuse())
        self.station = Station(
            self.world, folder, write_pictures(folder.parent / "pictures"), traps=1, pir_ms=list(PIR_MS)
        )

    @property
    def in_fault(self) -> bool:
        return self.fault_ms[0] <= self.world.now < self.fault_ms[1]

    def process(self, name: str) -> Process:
        return next(p for p in self.world.processes if p.name == name)

    def wrap(self, name: str, step: Callable[[Callable[[int], Any], int], Any]) -> None:
        """Put `step(the program's own step, now)` in the place of a program's own."""
        process = self.process(name)
        build = process.build

        def build_wrapped() -> Callable[[int], int | None]:
            own = build()
            return lambda now: step(own, now)

        process.build = build_wrapped

    def during_fault(self, name: str, around: Callable[[], AbstractContextManager[Any]]) -> None:
        """Every step of a program that falls into the fault runs within `around()`."""

        def step(own: Callable[[int], Any], now: int) -> Any:
            with around() if self.in_fault else nullcontext():
                return own(now)

        self.wrap(name, step)

    def look(self) -> Audit:
        return look(self.folder, len(CORNERS), traps=(1,))

    def run(self) -> Audit:
        """To the fault's end and then to the night's; nothing is lost, nothing doubled, everything delivered."""
        self.world.run(lambda: False, self.fault_ms[1] - self.world.now)
        during = self.look()
        rounds = itertools.count()
        done = self.world.run(lambda: next(rounds) % 10 == 9 and self.look().finished, LIMIT_MS)
        audit = self.look()
        assert all(p.deaths == 0 for p in self.world.processes), "nobody stopped"
        for process in self.world.processes:
            self.world.kill(process)
        assert done, audit.missing
        assert (audit.lost, audit.duplicated) == (0, 0)
        assert audit.sightings == audit.alerts_stored == audit.media_stored == audit.full_frames_held == 2
        assert audit.deleted_on_trap == 4
        return during
