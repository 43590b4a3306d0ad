"""What the tests of the Pi's camera share: the simulated module in virtual time, its pictures tell their number."""

import numpy as np

from trapcam.camera.device import Plane
from trapcam.camera.pi import PiCamera, PiPlan
from trapcam.camera.watch import Bounds
from trapcam.trigger import CAUSE_PIR, Trigger
from trapsim.picam import Faults, Module, VirtualTime
from trapsim.picamtime import VirtualDrive

SIZE = (64, 48)


def scene(number: int, size: tuple[int, int] = SIZE) -> Plane:
    """A grey picture whose luminance is its number; packed."""
    width, height = size
    packed = np.full((height * 3 // 2, width), 128, np.uint8)
    packed[:height] = number
    return packed


class Rig:
    """A camera on a simulated module, in virtual time. `lamp`: says whether it is lit, where there is one."""

    def __init__(
        self,
        faults: Faults | None = None,
        *,
        frames: int = 4,
        preroll: int = 2,
        bounds: Bounds | None = None,
        light: float | None = None,
        lamp: "SimLamp | None" = None,
    ) -> None:
        self.time = VirtualTime()
        self.told: list[str] = []
        self.module = Module(
            [scene(number) for number in range(40, 240)],
            monotonic_s=self.time.monotonic_s, sleep=self.time.sleep, faults=faults, light=light,
            lamp=(lambda: lamp.on) if lamp else lambda: False,
        )  # fmt: skip
        self.plan = PiPlan(frames=frames, every_s=0.4, preroll=preroll, size=SIZE, bounds=bounds or Bounds())
        self.camera = PiCamera(
            self.module.device, self.plan, uncertainty_ms=100, now_ms=self.time.now_ms,
            monotonic_s=self.time.monotonic_s, lamp=lamp, drive=VirtualDrive(self.time),
        )  # fmt: skip

    def trigger(self, number: int = 1, age_s: float = 0.0) -> Trigger:
        return Trigger(number=number, cause=CAUSE_PIR, at_ms=self.time.now_ms() - round(age_s * 1000))

    def idle(self, seconds: float) -> list[str]:
        """Let time pass, as the app's loop does; the counters that were asked for."""
        end_s, before = self.time.now_s + seconds, len(self.told)
        while self.time.now_s < end_s:
            self.told += [notice.counter for notice in self.camera.tend()]
            self.time.sleep(0.05)
        return self.told[before:]


class SimLamp:
    """A lamp that writes down when it was switched."""

    def __init__(self, time: VirtualTime | None = None) -> None:
        self.on = self.closed = False
        self.day: bool | None = None
        self.switched: list[bool] = []

    def light(self, on: bool) -> None:
        if on != self.on:
            self.switched.append(on)
        self.on = on

    def filter(self, by_day: bool) -> None:
        self.day = by_day

    def close(self) -> None:
        self.on, self.closed = False, True
