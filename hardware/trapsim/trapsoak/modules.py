"""The Pi's own camera for a season: the real adapter over its simulated module, in the season's time."""

import math
from collections import Counter
from typing import Protocol

import numpy as np
from PIL import Image as Pictures

from trapcam.camera.device import Plane
from trapcam.camera.pi import PiCamera, PiPlan
from trapsim.picam import Faults, Module, VirtualTime, packed
from trapsim.picamtime import VirtualDrive
from trapsim.trapsoak.marks import EMPTY, Mark, draw
from trapsim.trapsoak.plan import SHOWN, Season, draws_of
from trapsim.trapsoak.planted import MIDDLE, SIZE

PI_SOURCE = "pi"
SCENES = 240  # shown in turn
STAYS = (3, 14)  # pictures for which the same is to be seen
CAPTURES = 2_500  # of a season, about: among these the faults are drawn


class SeasonTime(Protocol):
    """What the module asks of the season: its time, and to let some pass."""

    now: int

    def wait(self, ms: int) -> None: ...

    def system_ms(self) -> int: ...


class _Time(VirtualTime):
    """The season's time as the camera's."""

    def __init__(self, season: SeasonTime) -> None:
        self._season = season

    @property
    def now_s(self) -> float:  # type: ignore[override]
        return self._season.now / 1000

    def now_ms(self) -> int:
        return self._season.system_ms()

    def sleep(self, seconds: float) -> None:
        self._season.wait(max(0, math.ceil(seconds * 1000)))  # never nothing: whoever waits would wait for ever


class PiModules:
    """The hardware outlives each start; `camera` is a new adapter on it. `counts`: what became of it."""

    def __init__(self, season: Season, time: SeasonTime) -> None:
        self.counts: Counter[str] = Counter()
        self._time = _Time(time)
        draws = draws_of(season.seed, season.number, "module")
        self._module = Module(
            _scenes(season), monotonic_s=self._time.monotonic_s, sleep=self._time.sleep, frame_s=0.1,
            faults=Faults(
                error_every=draws.choice((0, 150, 400)),
                fail=draws.sample(range(1, CAPTURES), 6),
                late=draws.sample(range(1, CAPTURES), 3),
                hang=draws.sample(range(1, CAPTURES), 2),
                no_memory=draws.sample(range(2, 12), 1),
                refuse=draws.sample(range(2, 12), 1),
                gone=(at := draws.randrange(1, CAPTURES), at + draws.randint(1, 8)),
                wrong_size=draws.sample(range(1, CAPTURES), 2),
                black=(dark := draws.randrange(1, CAPTURES), dark + draws.randint(1, 30)),
                jump_s=((draws.randrange(1, CAPTURES), 3600.0), (draws.randrange(1, CAPTURES), -3600.0)),
            ),
        )  # fmt: skip
        self._camera: PiCamera | None = None

    def camera(self) -> PiCamera:
        """A new adapter, stopped."""
        self._camera = PiCamera(
            self._module.device, PiPlan(frames=4, every_s=0.3, preroll=1, size=SIZE), uncertainty_ms=200,
            now_ms=self._time.now_ms, monotonic_s=self._time.monotonic_s, drive=VirtualDrive(self._time),
        )  # fmt: skip
        return self._camera

    def tend(self) -> None:
        """As the application's loop does.  Raises: CameraLostError."""
        if self._camera is not None:
            for notice in self._camera.tend():
                self.counts[notice.counter] += 1

    def close(self) -> None:
        """The process is over: the kernel takes the module back."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self._module.open = 0


def _scenes(season: Season) -> list[Plane]:
    """Pictures with marks, of which some in a row show the same."""
    draws, found = draws_of(season.seed, season.number, "scenes"), list[Plane]()
    while len(found) < SCENES:
        (shown,) = draws.choices([*SHOWN, EMPTY], weights=[*SHOWN.values(), 20])
        for _ in range(draws.randint(*STAYS)):
            leaves = np.random.default_rng(len(found)).integers(90, 130, (15, 20, 3)).astype(np.uint8)
            pixels = np.array(Pictures.fromarray(leaves).resize(SIZE, Pictures.Resampling.BILINEAR))
            draw(pixels, Mark(burst=len(found), frame=0, shown=shown, season=season.number & 0xFF), MIDDLE)
            found.append(packed(pixels))
    return found
