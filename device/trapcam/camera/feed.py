"""What the camera has given lately, and the worker that fetches it: one device from its opening to its closing.

A worker runs turn by turn in whatever drives it, a thread (`Threads`) or a simulation's virtual time. One that hangs is
left behind: nothing that it says afterwards counts, and its successor closes its device before it opens its own.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from trapcam.camera.device import Controls, Device, DeviceError, Plane, Shot
from trapcam.camera.light import Light
from trapcam.camera.watch import Act, State, Watch
from trapcam.camera.yuv import rows_of

MAX_SKEW_S = 2.0  # a time stamp that is further from now than this is not believed; buffers hold three frames


@dataclass(frozen=True, kw_only=True, eq=False)
class Taken:
    """A picture in the ring: its number, when (s, monotonic; Unix ms), its packed pixels; `from_s`: when the light that
    made it began to be gathered."""

    number: int
    at_s: float
    from_s: float
    taken_ms: int
    main: Plane


class Drive(Protocol):
    """Who runs a worker, and what waiting for it means."""

    def launch(self, turn: Callable[[], float | None]) -> None:
        """Call `turn` again and again, each time after the pause that it returned (s), until it returns None."""

    def wait(self, changed: threading.Condition, ready: Callable[[], bool], timeout_s: float) -> None:
        """Return when `ready`, or after `timeout_s`; the caller holds `changed`."""

    def hurry(self) -> None:
        """End the pause that is being made, if any."""

    def catch_up(self) -> None:
        """Do what the workers would have done by now, where nothing runs by itself."""


class Threads:
    """The daily drive. Its threads are daemons: a driver that never answers must not keep the program from ending."""

    def __init__(self) -> None:
        self._hurry = threading.Event()

    def launch(self, turn: Callable[[], float | None]) -> None:
        threading.Thread(target=self._run, args=(turn,), name="camera", daemon=True).start()

    def wait(self, changed: threading.Condition, ready: Callable[[], bool], timeout_s: float) -> None:
        changed.wait_for(ready, timeout_s)

    def hurry(self) -> None:
        self._hurry.set()

    def catch_up(self) -> None:
        return

    def _run(self, turn: Callable[[], float | None]) -> None:
        while (pause_s := turn()) is not None:
            if pause_s > 0 and self._hurry.wait(pause_s):
                self._hurry.clear()


class Feed:
    """The ring of the last `ring` pictures, `every_s` apart, and the watch over the camera that fills it.

    size: (width, height) of a picture; now_ms, monotonic_s: the clocks. What others see of it is guarded by `changed`.
    """

    def __init__(
        self,
        open_device: Callable[[], Device],
        watch: Watch,
        light: Light,
        drive: Drive,
        *,
        size: tuple[int, int],
        ring: int,
        every_s: float,
        shot_s: float,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
    ) -> None:
        self.changed = threading.Condition()
        self.watch = watch
        self.light = light
        self.kinds: deque[str] = deque(maxlen=64)  # of failures not told yet
        self._open_device = open_device
        self._drive = drive
        self._shape = (rows_of(size[1]), size[0])
        self._ring: deque[Taken] = deque(maxlen=ring)
        self._every_s = every_s
        self._shot_s = shot_s
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._number = 0
        self._last_s = 0.0
        self._lit = False
        self._dark_s = 0.0  # since when the lamp is off
        self._worker: _Worker | None = None
        self._stopped = False

    def tend(self, *, idle: bool) -> None:
        """Do what the watch asks for now; returns at once."""
        self._drive.catch_up()
        with self.changed:
            now_s = self._monotonic_s()
            act = Act.NOTHING if self._stopped else self.watch.act(now_s, idle=idle)
            if act is Act.LEAVE:
                self.watch.left(now_s)
                self.kinds.append("hung")
                self.changed.notify_all()
            elif act is Act.RENEW and self._worker is not None:
                self.watch.renewing(now_s)
                self._worker.stop = True
            elif act is Act.OPEN:
                before = self._worker
                self._worker = _Worker(self, None if before is None or before.ended else before.held())
                self.watch.opening(now_s)
                self._drive.launch(self._worker.turn)

    def kept(self) -> list[Taken]:
        """The ring, oldest first."""
        with self.changed:
            return list(self._ring)

    def next(self, number: int, timeout_s: float, *, hurry: bool) -> bool:
        """Wait for a picture after that one; False when none came, or the camera failed meanwhile. hurry: at once."""
        with self.changed:
            told = len(self.kinds)
            if hurry:
                self._drive.hurry()
            self._drive.wait(self.changed, lambda: self._number > number or len(self.kinds) > told, timeout_s)
            return self._number > number

    def newest(self) -> int:
        """The number of the last picture; 0 before the first."""
        with self.changed:
            return self._number

    def shine(self, lit: bool) -> float:
        """The lamp is (`lit`), or was until now, on: what light of that time a picture gathers says nothing of the
        night. Returns now (s, monotonic)."""
        with self.changed:
            self._lit = lit
            self._dark_s = self._monotonic_s()
            return self._dark_s

    def stop(self, timeout_s: float) -> bool:
        """Close the camera for good; False when it did not close in time and its thread is left behind."""
        with self.changed:
            self._stopped = True
            worker = self._worker
            if worker is None:
                return True
            worker.stop = True
            self._drive.wait(self.changed, lambda: worker.ended, timeout_s)
            return worker.ended

    # --- what the worker says; one that was left behind is not heard -------------------------------------------------

    def heard(self, worker: "_Worker") -> bool:
        return worker is self._worker and self.watch.state in (State.OPENING, State.SHOOTING, State.CLOSING)

    def took(self, worker: "_Worker", shot: Shot) -> None:
        """Keep it.  Raises: DeviceError when it is not of the size that was asked for."""
        if shot.main.shape != self._shape:
            got = (shot.main.shape[1], shot.main.shape[0] * 2 // 3)
            wanted = (self._shape[1], self._shape[0] * 2 // 3)
            raise DeviceError(f"gave a picture of {got[0]}×{got[1]} in place of {wanted[0]}×{wanted[1]}")
        mean = float(shot.lores.mean()) / 255
        with self.changed:
            if not self.heard(worker):
                return
            now_s = self._monotonic_s()
            self.watch.shot(now_s)
            believed = self._last_s < shot.at_s <= now_s and now_s - shot.at_s <= MAX_SKEW_S
            at_s = shot.at_s if believed else now_s
            if at_s <= self._last_s:
                return  # the same picture once more
            self._last_s = at_s
            if not self._lit and at_s - shot.exposure_us * 1e-6 > self._dark_s:
                self.light.see(mean, shot.exposure_us, shot.gain, now_s)
            self._number += 1
            self._ring.append(
                Taken(
                    number=self._number,
                    at_s=at_s,
                    from_s=at_s - shot.exposure_us * 1e-6,
                    taken_ms=self._now_ms() - round((now_s - at_s) * 1000),
                    main=shot.main,
                )
            )
            self.changed.notify_all()

    def failed(self, worker: "_Worker", kind: str, reason: str) -> None:
        with self.changed:
            if self.heard(worker) and self.watch.state is not State.CLOSING:
                self.watch.failed(reason, self._monotonic_s())
                self.kinds.append(kind)
                self.changed.notify_all()

    def ended(self, worker: "_Worker") -> None:
        with self.changed:
            worker.ended = True
            if worker is self._worker and self.watch.state is State.CLOSING:
                self.watch.closed(self._monotonic_s())
            self.changed.notify_all()

    def open_device(self) -> Device:
        return self._open_device()

    def wanted(self) -> Controls:
        with self.changed:
            return self.light.controls()

    def pause_s(self, began_s: float) -> float:
        """To the next picture, where the last was asked for at `began_s`."""
        return max(began_s + self._every_s - self._monotonic_s(), 0.0)

    def shot_s(self) -> float:
        return self._shot_s

    def now_s(self) -> float:
        return self._monotonic_s()


class _Worker:
    """Opens a device, takes pictures until it fails or is told to stop, and closes it."""

    def __init__(self, feed: Feed, before: Device | None) -> None:
        self.stop = False
        self.ended = False
        self.device: Device | None = None
        self._before = before  # of a worker that was left behind: two cannot be open
        self._feed = feed
        self._set: Controls | None = None

    def held(self) -> Device | None:
        """What it, left behind, may still hold open."""
        return self.device or self._before

    def turn(self) -> float | None:
        """One piece of work; the pause before the next (s), None when there is none."""
        if self.ended:
            return None
        feed = self._feed
        try:
            if self.device is None:
                self._open()
                return 0.0
            if not self.stop and feed.heard(self):
                began_s = feed.now_s()
                wanted = feed.wanted()
                if wanted != self._set:
                    self.device.set_controls(wanted)
                    self._set = wanted
                feed.took(self, self.device.capture(feed.shot_s()))
                return feed.pause_s(began_s)
        except MemoryError as error:
            feed.failed(self, "memory", str(error) or "no memory")
        except DeviceError as error:
            feed.failed(self, error.kind, str(error))
        if self.device is not None:
            self.device.close()
        feed.ended(self)
        return None

    def _open(self) -> None:
        if self._before is not None:
            self._before.close()
            self._before = None
        self.device = self._feed.open_device()
        self._set = self._feed.wanted()
        self.device.set_controls(self._set)
        self.device.start()
