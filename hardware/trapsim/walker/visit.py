"""`trapsim visited`: `trapcam run` in a place where somebody walks past whenever a walk test has begun on its page.

The trap is the real one; around its page's visit stands only what tells the simulated place how things are.
"""

import argparse
import time
from collections.abc import Callable

from trapcam.app import Visiting
from trapcam.camera import Camera
from trapcam.camera.device import HEIGHT, WIDTH
from trapcam.cmd_run import open_camera
from trapcam.cmd_run import run as run_trap
from trapcam.config import TrapSettings
from trapcam.trigger import Trigger
from trapsim.pictures import stills
from trapsim.stagedcamera import Stage, open_staged
from trapsim.walker.camera import VisitedCamera, VisitedStage
from trapsim.walker.hand import Hand
from trapsim.walker.scene import Wood
from trapsim.walker.walk import Walk, Walking

Show = Callable[[bool, Walking | None], None]
LOOK_MS = 400  # so often at the most the module is given another picture


class Visited:
    """`visit`, and at each step of it what the visitor does: to the unit by `hand`, to what is seen by `show`."""

    def __init__(self, visit: Visiting, walk: Walk, hand: Hand, show: Show, monotonic_ms: Callable[[], int]) -> None:
        self._visit = visit
        self._walk = walk
        self._hand = hand
        self._show = show
        self._monotonic_ms = monotonic_ms
        self._before = hand.holds, hand.edges  # of a run before this one
        self._shown_ms = 0

    def step(self, *, wanted: bool) -> bool:
        """As `Visit.step`."""
        moved = self._visit.step(wanted=wanted)
        walk, hand, now_ms = self._walk, self._hand, self._monotonic_ms()
        walk.see(now_ms, walking=self._visit.walking, in_service=wanted)
        hand.here = walk.here
        hand.holds, hand.edges = self._before[0] + walk.holds, self._before[1] + walk.edges
        hand.write()
        if now_ms - self._shown_ms >= LOOK_MS:
            self._shown_ms = now_ms
            self._show(walk.here, walk.at(now_ms))
        return moved

    @property
    def walking(self) -> bool:
        return self._visit.walking

    def on_trigger(self, trigger: Trigger) -> None:
        self._visit.on_trigger(trigger)

    def close(self) -> None:
        """As `Visit.close`; nobody is there any longer."""
        self._visit.close()
        self._hand.here = False
        self._hand.write()


def run_visited(args: argparse.Namespace) -> int:
    """Run the trap of `config` until SIGTERM; args.unit: the folder of its supervisor; args.light: day or night;
    args.pictures: what the Pi's simulated camera sees, None: the camera of the settings.

    Raises: SetupError, StorageError.
    """
    walk, hand = Walk(), Hand(str(args.unit))
    shows: list[Show] = [lambda here, walking: None]
    night = args.light == "night"

    def opener(settings: TrapSettings) -> Camera:
        mirrored = settings.trap % 2 == 0
        if args.pictures is None:
            wood = Wood(night=night, mirrored=mirrored)
            return VisitedCamera(open_camera(settings), wood, lambda: walk.at(_monotonic_ms()), _now_ms)

        def staged(stage: Stage) -> None:
            shows[0] = VisitedStage(stage, Wood(night=night, mirrored=mirrored, size=(WIDTH, HEIGHT))).show

        return open_staged(settings, stills(args.pictures), staged)

    def around(visit: Visiting) -> Visiting:
        return Visited(visit, walk, hand, shows[0], _monotonic_ms)

    return run_trap(args, opener=opener, around=around)


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
