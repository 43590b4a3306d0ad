"""The Pi's camera module, simulated at trapcam's seam (`trapcam.camera.device`), with the faults that are known of it.

It runs in whatever time it is handed: a virtual clock whose `sleep` moves it, or the computer's own.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from trapcam.camera.device import (
    HEIGHT,
    LORES_HEIGHT,
    LORES_WIDTH,
    WIDTH,
    Controls,
    DeviceError,
    DeviceSilentError,
    Plane,
    Shot,
)

BLACK_LEVEL = 2.0  # of 255: what a covered sensor still gives (estimate)


class VirtualTime:
    """A clock that only moves when somebody sleeps; Unix ms besides, for what is stamped."""

    def __init__(self, start_ms: int = 1_800_000_000_000) -> None:
        self._start_ms = start_ms
        self.now_s = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def now_ms(self) -> int:
        return self._start_ms + round((self.now_s - 1000.0) * 1000)

    def sleep(self, seconds: float) -> None:
        self.now_s += max(seconds, 0.0)


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What goes wrong, counted in captures (from 1) or starts (from 1) over the module's whole life.

    error_every: each so many-th capture since a start fails, as picamera2 does (0: never); fail: these captures fail;
    late: these take as long as they are given and then fail; hang: these stay away for `hang_s` whatever is given;
    no_memory: these starts find no contiguous memory, or all from `no_memory_from` on; refuse: these starts find no
    camera; gone: from this capture to before that one, and at starts meanwhile, the cable is loose; wrong_size: these
    come in another size; black: from this capture to before that one the lens is covered; jump_s: with these captures
    the sensor's time stamp is off by so much (s); hang_close: these closes (from 1) stay away for `hang_s` too.
    """

    error_every: int = 0
    fail: Sequence[int] = ()
    late: Sequence[int] = ()
    hang: Sequence[int] = ()
    hang_s: float = 120.0
    hang_close: Sequence[int] = ()
    no_memory: Sequence[int] = ()
    no_memory_from: int | None = None
    refuse: Sequence[int] = ()
    gone: tuple[int, int] | None = None
    wrong_size: Sequence[int] = ()
    black: tuple[int, int] | None = None
    jump_s: tuple[tuple[int, float], ...] = ()


class Module:
    """The hardware: it outlives the devices that are opened on it one after the other, as its counters do.

    scenes: YUV 4:2:0 pictures shown in turn, one a capture; light: how bright the scene is, in the unit of
    `trapcam.camera.light` (None: pictures come as they are, whatever the controls); lamp: whether the lamp is lit
    (it adds `lamp_light` to the scene); sleep, monotonic_s: the time it runs in; frame_s: between two pictures.
    """

    def __init__(
        self,
        scenes: Iterable[Plane],
        *,
        monotonic_s: Callable[[], float],
        sleep: Callable[[float], None],
        faults: Faults | None = None,
        frame_s: float = 0.1,
        light: float | None = None,
        lamp: Callable[[], bool] = lambda: False,
        lamp_light: float = 4.0,
    ) -> None:
        self.scenes = list(scenes)
        self.faults = faults or Faults()
        self.frame_s = frame_s
        self.light = light
        self.lamp_light = lamp_light
        self.lag_s = 0.0  # from a picture's reading to its arrival
        self.captures = self.starts = self.closes = 0
        self.open = 0  # devices that stream now: more than one is a fault of the program
        self.most_open = 0
        self.controls: list[Controls] = []
        self._monotonic_s, self._sleep, self._lamp = monotonic_s, sleep, lamp
        self._lock = threading.Lock()

    def device(self) -> "SimulatedDevice":
        """A device on it, closed."""
        return SimulatedDevice(self)

    def now_s(self) -> float:
        return self._monotonic_s()

    def wait(self, seconds: float) -> None:
        self._sleep(seconds)

    def loose(self) -> bool:
        gone = self.faults.gone
        return gone is not None and gone[0] <= self.captures + 1 < gone[1]

    def begin(self) -> None:
        """One more start.  Raises: DeviceError, MemoryError."""
        with self._lock:
            self.starts += 1
            number, faults = self.starts, self.faults
            if self.open:
                raise DeviceError("Camera __init__ sequence did not complete: in use")
            first = faults.no_memory_from
            if number in faults.no_memory or (first is not None and number >= first):
                raise MemoryError("failed to allocate capture buffers for stream 0")
            if number in faults.refuse or self.loose():
                if self.loose():
                    self.captures += 1  # a cable that is loose for so many tries
                raise DeviceError("no camera number 0 found")
            self.open += 1
            self.most_open = max(self.most_open, self.open)

    def end(self) -> int:
        """One more close; its number."""
        with self._lock:
            self.closes += 1
            return self.closes

    def ended(self) -> None:
        with self._lock:
            self.open -= 1

    def next(self) -> int:
        """One more capture; its number."""
        with self._lock:
            self.captures += 1
            return self.captures

    def shown(self, number: int, controls: Controls) -> tuple[Plane, int, float]:
        """The picture of one capture, and the exposure (µs) and gain that it was taken with."""
        scene = self.scenes[(number - 1) % len(self.scenes)]
        black = self.faults.black
        covered = black is not None and black[0] <= number < black[1]
        if self.light is None and not covered:
            return scene, controls.exposure_us or 10_000, controls.gain or 1.0
        light = 0.0 if covered else (self.light or 0.0) + (self.lamp_light if self._lamp() else 0.0)
        # The camera's own choice: gain up to 8 and 20 ms, for a picture of middle brightness.
        exposure_us = controls.exposure_us or round(min(max(0.4 / max(light, 1e-9), 100e-6), 20e-3) * 1e6)
        gain = controls.gain or min(max(0.4 / max(light * exposure_us * 1e-6, 1e-9), 1.0), 8.0)
        brightness = min(light * exposure_us * 1e-6 * gain, 1.0) * 255
        return _lit(scene, max(brightness, BLACK_LEVEL)), exposure_us, gain


class SimulatedDevice:
    """One device opened on a module: `trapcam.camera.device.Device`."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._controls = Controls()
        self._streaming = False
        self._since_start = 0

    def start(self) -> None:
        self._module.begin()
        self._streaming = True
        self._since_start = 0

    def set_controls(self, controls: Controls) -> None:
        self._controls = controls
        self._module.controls.append(controls)

    def capture(self, timeout_s: float) -> Shot:
        module, faults = self._module, self._module.faults
        if not self._streaming:
            raise DeviceError("it does not stream")
        loose = module.loose()
        number = module.next()
        self._since_start += 1
        if number in faults.hang:
            module.wait(faults.hang_s)
            raise DeviceSilentError(f"gave no picture for {faults.hang_s:g} s")
        if number in faults.late or loose:
            module.wait(timeout_s)
            raise DeviceSilentError(f"gave no picture for {timeout_s:g} s")
        module.wait(module.frame_s)
        if number in faults.fail or (faults.error_every and self._since_start % faults.error_every == 0):
            raise DeviceError("Failed to queue request: Invalid argument")
        main, exposure_us, gain = module.shown(number, self._controls)
        if number in faults.wrong_size:
            main = main[: main.shape[0] // 2]
        jump_s = dict(faults.jump_s).get(number, 0.0)
        at_s = module.now_s() - module.lag_s + jump_s
        return Shot(main=main.copy(), lores=small(main), at_s=at_s, exposure_us=exposure_us, gain=gain)

    def close(self) -> None:
        if not self._streaming:
            return
        number = self._module.end()
        if number in self._module.faults.hang_close:
            self._module.wait(self._module.faults.hang_s)
        self._streaming = False
        self._module.ended()


def small(main: Plane) -> Plane:
    """The low-resolution stream's luminance of a picture: about (LORES_HEIGHT, LORES_WIDTH), never larger than it."""
    height = main.shape[0] * 2 // 3
    down, across = max(height // LORES_HEIGHT, 1), max(main.shape[1] // LORES_WIDTH, 1)
    return np.ascontiguousarray(main[:height:down, ::across])


def _lit(scene: Plane, brightness: float) -> Plane:
    """The same scene with a luminance of so much on average (0–255)."""
    height = scene.shape[0] * 2 // 3
    found = scene.copy()
    luminance = found[:height].astype(np.float32)
    luminance *= brightness / max(float(luminance.mean()), 1.0)
    np.clip(luminance, 0, 255, out=luminance)
    found[:height] = luminance.astype(np.uint8)
    return found


def packed(pixels: Plane) -> Plane:
    """(h, w, 3) RGB as the camera packs it: (h × 3 / 2, w), YUV 4:2:0; both sides even."""
    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
    planes = Pictures.fromarray(pixels[:height, :width]).convert("YCbCr").split()
    half = (width // 2, height // 2)
    small_planes = [np.asarray(plane.resize(half, Pictures.Resampling.BOX)) for plane in planes[1:]]
    chroma = np.concatenate([plane.reshape(-1) for plane in small_planes])
    return np.concatenate([np.asarray(planes[0]).reshape(-1), chroma]).reshape(height * 3 // 2, width)


def scenes_of(folder: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> list[Plane]:
    """The pictures (JPEG, PNG) of a folder in the order of their names, in the camera's size (width, height)."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            with Pictures.open(path) as picture:
                found.append(packed(np.asarray(picture.convert("RGB").resize(size))))
    return found
