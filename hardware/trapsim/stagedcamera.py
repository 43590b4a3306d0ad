"""`trapsim picamera`: `trapcam run` with the Pi's own camera, over a simulated module that pictures are staged before.

The adapter is the trap's own: ring, pre-roll, lamp, watch. One picture of a folder stands before the module until a
burst of it is taken, and stirs a little meanwhile, as what lives does; then comes the next one.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures
from PIL import ImageOps

from trapcam.camera import Camera, choose
from trapcam.camera.device import HEIGHT, WIDTH, Plane
from trapcam.camera.pi import PiCamera
from trapcam.cmd_run import run as run_trap
from trapcam.config import TrapSettings
from trapcam.frames import Burst, Unreadable
from trapcam.outbox import DATABASE
from trapcam.trigger import Trigger
from trapkit.database import open_database
from trapsim.picam import Module, packed
from trapsim.pictures import stills

VARIANTS = 3  # of a picture, shown in turn
STIR_PX = 40  # to the side between two of them, of 2304
AROUND = (96, 100, 92)  # beside a picture of another shape
SETTLE_S = 2.0  # the longest wait for the first picture after a change of scene


class Stage:
    """What stands before `module`: the picture at `place`, or, after the last one, that one still."""

    def __init__(self, module: Module, pictures: list[Path], place: int) -> None:
        self._module = module
        self._pictures = pictures
        self.count = len(pictures)
        self.place = place
        self._next: list[Plane] = []
        self.change(place)

    def change(self, place: int) -> None:
        """Put the picture at `place` there."""
        self._module.scenes, self.place = self._scenes(place), place

    def stand_before(self, scenes: list[Plane]) -> None:
        """Somebody stands before the pictures, until the next `change`."""
        self._module.scenes = scenes

    def prepare(self) -> None:
        """Make the next picture ready, which takes a moment."""
        self._next = self._scenes(self.place + 1)

    def advance(self) -> None:
        """The next picture, at once."""
        self._module.scenes, self.place = self._next, self.place + 1

    def _scenes(self, place: int) -> list[Plane]:
        with Pictures.open(self._pictures[min(place, self.count - 1)]) as picture:
            # Smaller than the view, so that it can stir without losing an edge.
            shown = ImageOps.contain(picture.convert("RGB"), (WIDTH - VARIANTS * STIR_PX, HEIGHT))
        found = []
        for variant in range(VARIANTS):
            scene = Pictures.new("RGB", (WIDTH, HEIGHT), AROUND)
            left = (WIDTH - VARIANTS * STIR_PX - shown.width) // 2 + variant * STIR_PX
            scene.paste(shown, (left, (HEIGHT - shown.height) // 2))
            found.append(packed(np.asarray(scene)))
        return found


class StagedCamera(PiCamera):
    """The trap's camera, whose bursts come to an end with the stage's pictures."""

    def __init__(self, *args: Any, stage: Stage, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stage = stage
        self.total = stage.count

    def frames(self, trigger: Trigger, position: int) -> Burst | Unreadable | None:
        """As `PiCamera`; the next picture comes on when this burst is whole."""
        if position >= self._stage.count:
            return None
        if position != self._stage.place:
            self._stage.change(position)
            self._forget()
        self._stage.prepare()
        taken = super().frames(trigger, position)
        self._stage.advance()
        self._forget()
        return taken

    def _forget(self) -> None:
        """Give none of the pictures that show what stood there before, the one on its way included."""
        self._next(self._feed.newest(), SETTLE_S, hurry=True)
        self._given = self._feed.newest()


class SimulatedLamp:
    """A lamp of no light: pictures by night come as the folder has them. `lit` as it is, for the module."""

    lit = False

    def light(self, on: bool) -> None:
        self.lit = on

    def filter(self, by_day: bool) -> None:
        return

    def close(self) -> None:
        self.lit = False


def run_staged(args: argparse.Namespace) -> int:
    """Run the trap of `config` before the pictures in `pictures`, until SIGTERM.  Raises: SetupError, StorageError."""
    pictures = stills(args.pictures)
    return run_trap(args, opener=partial(open_staged, pictures=pictures))


def open_staged(
    settings: TrapSettings, pictures: list[Path], staged: Callable[[Stage], None] = lambda stage: None
) -> Camera:
    """The camera that `camera.pi` describes, over a module that sees these pictures from where the outbox stands;
    `staged` is handed the stage."""
    lamp = SimulatedLamp()
    module = Module([], monotonic_s=time.monotonic, sleep=time.sleep, frame_s=0.1, lamp=lambda: lamp.lit)
    stage = Stage(module, pictures, _position(Path(settings.data)))
    staged(stage)
    return choose.open_pi(
        settings.camera.pi,
        uncertainty_ms=settings.clock.uncertainty_ms or None,
        now_ms=lambda: time.time_ns() // 1_000_000,
        make=partial(StagedCamera, stage=stage),
        open_device=module.device,
        lamp=lamp,
    )


def _position(data: Path) -> int:
    """How many bursts the outbox has of this camera."""
    if not (data / DATABASE).exists():
        return 0
    with closing(open_database(data / DATABASE, "trapcam")) as db:
        found = db.execute("SELECT position FROM progress WHERE source = ?", (PiCamera.source,)).fetchone()
    return int(found[0]) if found else 0
