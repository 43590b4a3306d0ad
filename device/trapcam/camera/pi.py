"""The Pi's own camera: pictures from before and after each trigger, the lamp in step, a watch over its faults."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from trapcam.camera.device import HEIGHT, WIDTH, CameraLostError, Device
from trapcam.camera.feed import Drive, Feed, Taken, Threads
from trapcam.camera.lamp import MAX_LIT_S, Lamp, NoLamp
from trapcam.camera.light import Light, LightPlan
from trapcam.camera.watch import Bounds, State, Watch
from trapcam.camera.yuv import unpack
from trapcam.frames import Burst, Frame, Unreadable
from trapcam.trigger import Trigger
from trapkit.errors import SetupError

RING = 6  # packed pictures, 27 MB of 512; with a burst of as many that is being judged 54
SLICE_S = 0.25  # how late the watch may be while a burst waits for a picture
RESTARTS, RENEWALS = "camera_restarts_", "camera_renewals"  # counters; the first with what failed behind it
AGAIN = "it is opened again as soon as it answers"


@dataclass(frozen=True, kw_only=True)
class PiPlan:
    """A burst: `frames` in all (1–`RING`), `every_s` apart, of them up to `preroll` from before the trigger; none of
    these by night where there is a lamp, which would not have shone on them. answer_s: the longest wait for one."""

    frames: int = 6
    every_s: float = 0.4
    preroll: int = 2
    answer_s: float = 6.0
    size: tuple[int, int] = (WIDTH, HEIGHT)
    bounds: Bounds = field(default_factory=Bounds)
    light: LightPlan = field(default_factory=LightPlan)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What the outbox is to count, and a line for the operator."""

    counter: str
    text: str


class PiCamera:
    """Built stopped. `start` begins to watch; `tend` is to be called often: it opens the camera again after faults.

    open_device: makes a closed device; lamp: what lights the night, or, where it does not shine, has a filter only;
    drive: what runs the device, a thread by default.
    """

    total: int | None = None
    source = "pi"

    def __init__(
        self,
        open_device: Callable[[], Device],
        plan: PiPlan,
        *,
        uncertainty_ms: int | None,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float] = time.monotonic,
        lamp: Lamp | None = None,
        shines: bool = True,
        drive: Drive | None = None,
    ) -> None:
        self._plan = plan
        self._uncertainty_ms = uncertainty_ms
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._has_lamp = lamp is not None and shines
        self._lamp = lamp or NoLamp()
        self._watch = Watch(plan.bounds, monotonic_s())
        self._light = Light(plan.light)
        self._feed = Feed(
            open_device, self._watch, self._light, drive or Threads(), size=plan.size, ring=RING, every_s=plan.every_s,
            shot_s=plan.bounds.shot_s * 0.75,  # it says so itself before it counts as hanging
            now_ms=now_ms, monotonic_s=monotonic_s,
        )  # fmt: skip
        self._closed = True
        self._given = 0  # the last picture given: none is given twice
        self._renewals = 0  # told so far
        self._filtered: bool | None = None
        self._lamp_trouble = ""
        self.about = f"{plan.frames} frames a burst, {plan.every_s:g} s apart, {plan.preroll} from before the trigger"

    @property
    def hung(self) -> bool:
        """A thread was left behind: the program cannot end in the ordinary way."""
        return self._watch.hung > 0 or not self._closed

    def start(self) -> None:
        """Raises: SetupError when the camera gives no first picture, or the lamp's line is not to be had."""
        try:
            self._lamp.light(False)
        except OSError as error:
            raise SetupError(f"camera.pi.lamp_gpio, camera.pi.gpio_chip: {error.strerror or error}") from error
        if not self._next(0, self._plan.bounds.start_s, hurry=False):
            reason = self._watch.reason or "gave no picture"
            self.close()
            raise SetupError(f"camera.kind is 'pi': {reason}; {advice(reason)}")

    def close(self) -> None:
        """Close the camera, dark; a thread that hangs is left behind."""
        self._closed = self._feed.stop(self._plan.bounds.close_s)
        self._lamp.close()

    def tend(self) -> tuple[Notice, ...]:
        """What happened to the camera since the last call.  Raises: CameraLostError: only a new process can help."""
        self._feed.tend(idle=True)
        self._switch_filter()
        notices = self._notices()
        if not notices and self._watch.state is State.LOST:
            raise CameraLostError(
                f"camera: {self._watch.reason}; failed {self._watch.restarts} times, {self._watch.hung} threads left "
                "behind: this process ends, to be started again"
            )
        return notices

    def frames(self, trigger: Trigger, position: int) -> Burst | Unreadable | None:
        """The burst around the trigger's time, as far as the camera gives it; each frame's `taken_ms` is its own."""
        failures = self._watch.restarts
        # A lamp that is not ours to switch may shine all the same.
        lit = self._light.night if self._has_lamp else None
        if lit:
            taken = self._by_lamp()
        else:
            age_s = min(max((self._now_ms() - trigger.at_ms) / 1000, 0.0), RING * self._plan.every_s)
            taken = self._around(self._monotonic_s() - age_s)
        failed = self._watch.restarts > failures or self._watch.state is not State.SHOOTING
        trouble = f"{self._watch.reason if failed else 'gave no picture in time'}; {AGAIN}"
        if not taken:
            return Unreadable(name=self.source, reason=f"camera: {trouble}", trigger=trigger)
        short = len(taken) < self._plan.frames
        note = f"{len(taken)} of {self._plan.frames} frames: {trouble}" if short else ""
        return Burst(frames=tuple(map(self._frame, taken)), trigger=trigger, note=note or self._lamp_trouble, lit=lit)

    def newest(self) -> Frame | None:
        """The newest picture, None while there is none; a burst may still take it."""
        kept = self._feed.kept()
        return self._frame(kept[-1]) if kept else None

    def _around(self, at_s: float) -> list[Taken]:
        """Up to `preroll` pictures from before that time (monotonic) and those after it; waits for them."""
        plan = self._plan
        # No older than a pre-roll should be: from before a camera that was away they would be of something else.
        oldest_s = at_s - (plan.preroll + 1) * plan.every_s
        before = [one for one in self._fresh() if oldest_s <= one.at_s <= at_s]
        taken = before[max(len(before) - plan.preroll, 0) :]
        return self._more(taken, from_s=-math.inf, after_s=at_s)

    def _by_lamp(self) -> list[Taken]:
        """Pictures that the lamp shone on from their first line to their last. Lit for `MAX_LIT_S` at the longest."""
        try:
            self._feed.shine(True)
            self._switch(on=True)
            lit_s = self._monotonic_s()
            return self._more([], from_s=lit_s, after_s=lit_s)
        finally:
            self._switch(on=False)
            self._feed.shine(False)

    def _more(self, taken: list[Taken], *, from_s: float, after_s: float) -> list[Taken]:
        """Fill `taken` up with pictures of after `after_s`, `every_s` apart, none with light from before `from_s`."""
        plan = self._plan
        end_s = self._monotonic_s() + min(plan.frames * plan.every_s + plan.answer_s, MAX_LIT_S)
        hurry = True  # until the first picture of after the trigger is here
        while True:
            self._given = taken[-1].number if taken else self._given
            if len(taken) >= plan.frames:
                return taken
            newest = self._feed.newest()
            found = (one for one in self._fresh() if one.at_s > after_s and one.from_s >= from_s)
            if (one := next(found, None)) is not None:
                taken.append(one)
                after_s = one.at_s + 0.75 * plan.every_s
                hurry = False
            elif not self._next(newest, min(plan.answer_s, end_s - self._monotonic_s()), hurry=hurry):
                return taken

    def _fresh(self) -> list[Taken]:
        return [one for one in self._feed.kept() if one.number > self._given]

    def _next(self, number: int, within_s: float, *, hurry: bool) -> bool:
        """Wait for a picture after that one; a camera that fails meanwhile is opened again."""
        end_s = self._monotonic_s() + within_s
        while self._watch.state is not State.LOST:
            self._feed.tend(idle=False)
            left_s = end_s - self._monotonic_s()
            if self._feed.newest() > number or (
                left_s > 0 and self._feed.next(number, min(left_s, SLICE_S), hurry=hurry)
            ):  # fmt: skip
                return True
            if left_s <= 0:
                return False
        return False

    def _switch(self, *, on: bool) -> None:
        try:
            self._lamp.light(on)
        except OSError as error:
            self._lamp_trouble = f"the lamp cannot be switched: {error.strerror or error}"
        else:
            self._lamp_trouble = "" if on else self._lamp_trouble

    def _switch_filter(self) -> None:
        by_day = not self._light.night
        if by_day == self._filtered:
            return
        try:
            self._lamp.filter(by_day)
            self._filtered = by_day
        except OSError as error:
            self._lamp_trouble = f"the infrared filter cannot be switched: {error.strerror or error}"

    def _notices(self) -> tuple[Notice, ...]:
        with self._feed.changed:
            kinds = list(self._feed.kinds)
            self._feed.kinds.clear()
            renewals, reason = self._watch.renewals - self._renewals, self._watch.reason
            self._renewals += renewals
        failures = [Notice(counter=f"{RESTARTS}{kind}", text=f"camera: {reason}; {AGAIN}") for kind in kinds]
        return (*failures, *([Notice(counter=RENEWALS, text="")] * renewals))

    def _frame(self, one: Taken) -> Frame:
        taken = datetime.fromtimestamp(one.taken_ms / 1000, UTC)
        return Frame(
            pixels=partial(unpack, one.main),
            taken_ms=one.taken_ms,
            uncertainty_ms=self._uncertainty_ms,
            name=f"{self.source} {taken:%Y-%m-%dT%H:%M:%S}.{one.taken_ms % 1000:03d}Z",
            grey=one.main[: one.main.shape[0] * 2 // 3],  # its own luminance: motion needs no unpacking
        )


def check_plan(plan: PiPlan, rate: float) -> None:
    """`rate`: pictures that the camera takes (1/s).

    Raises: SetupError when no frame of a burst would be from after its trigger, or the camera is too slow for it.
    """
    if plan.every_s * rate < 1:
        raise SetupError(
            f"key 'camera.pi.every_s' is {plan.every_s:g}; allowed is {1 / rate:g} and more: camera.pi.rate is {rate:g}"
        )
    if max(plan.light.night_us, plan.light.longest_us) * rate > 1e6:
        raise SetupError(
            f"keys 'camera.pi.night_ms' and 'camera.pi.day_longest_ms' are {plan.light.night_us / 1000:g} and "
            f"{plan.light.longest_us / 1000:g}; allowed is up to {1000 / rate:g}, as camera.pi.rate is {rate:g}"
        )
    if plan.preroll >= plan.frames:
        raise SetupError(
            f"key 'camera.pi.preroll' is {plan.preroll}; allowed are 0–{plan.frames - 1}, fewer than camera.pi.frames"
        )


def advice(reason: str) -> str:
    """What the operator can do about a camera that does not start."""
    if "memory" in reason or "allocate" in reason:
        return "end other programs, or restart the computer: the camera needs memory in one piece"
    if "use" in reason or "busy" in reason.lower():
        return "another program holds it: end that one"
    return "switch the computer off and look at the cable; `rpicam-hello --list-cameras` shows what is there"
