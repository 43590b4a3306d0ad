"""A camera on USB, or any other that Linux shows as /dev/videoN (V4L2, through PyAV)."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from av.container import InputContainer

from trapcam.camera.jpeg import own_jpeg, whole_jpeg
from trapcam.camera.reader import REOPEN_S, Reader
from trapcam.camera.ring import COVER_S, Packed, unpack
from trapcam.camera.sampling import MAX_BURST_PIXELS
from trapcam.camera.still import ReadError, decode_picture, storable
from trapcam.camera.v4l2 import advice
from trapcam.frames import Burst, Frame, Unreadable
from trapcam.trigger import Trigger
from trapkit.errors import SetupError

ANSWER_S = 5.0  # the longest wait for one picture; webcams take up to 2 s for their first
START_S = 15.0  # and at the start, when the driver is asked for its formats besides
MAX_PIXELS = 20e6  # of one picture; webcams have 2–8 million


@dataclass(frozen=True, kw_only=True)
class UsbPlan:
    """A burst: `frames` in all, `every_s` apart, of them up to `preroll` from before the trigger."""

    frames: int = 3
    every_s: float = 0.5
    preroll: int = 1


class UsbCamera:
    """Pictures from before and after each trigger. `start` begins to read, in a thread of its own."""

    total: int | None = None

    def __init__(
        self,
        device: str,
        open_device: Callable[[], InputContainer],
        plan: UsbPlan,
        *,
        uncertainty_ms: int | None,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float] = time.monotonic,
        answer_s: float = ANSWER_S,
        start_s: float = START_S,
        reopen_s: float = REOPEN_S,
    ) -> None:
        self._device = device
        self._plan = plan
        self._uncertainty_ms = uncertainty_ms
        self._answer_s = answer_s
        self._start_s = start_s
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._max_pixels = min(MAX_PIXELS, MAX_BURST_PIXELS / plan.frames)
        # Twice as close as in a burst: a picture is half of `every_s` off at most.
        self._reader = Reader(
            open_device, every_s=plan.every_s / 2, now_ms=now_ms, monotonic_s=monotonic_s, reopen_s=reopen_s,
        )  # fmt: skip
        self._given_s = 0.0  # the last picture given, by the monotonic clock: none is given twice
        self.source = storable(f"usb:{device}")
        self.about = f"{plan.frames} frames a burst, {plan.every_s:g} s apart, {plan.preroll} from before the trigger"

    def start(self) -> None:
        """Raises: SetupError when the camera gives no first picture."""
        self._reader.start()
        try:
            self._reader.wait(0.0, self._start_s)
        except ReadError as error:
            self.close()
            raise SetupError(f"camera.usb.device {self._device!r}: {error}; {advice(str(error))}") from error

    def close(self) -> None:
        """Stop the thread and let go of the device."""
        self._reader.close()

    def frames(self, trigger: Trigger, position: int) -> Burst | Unreadable | None:
        """The burst around the trigger's time. A camera that fails within it gives what it gave until then.

        A time that is older than anything kept begins with the oldest, and one that never was (a clock was set) with
        what is nearest; each frame's `taken_ms` is its own.
        """
        now_s = self._monotonic_s()
        age_s = min(max((self._now_ms() - trigger.at_ms) / 1000, 0.0), COVER_S)
        plan, kept = self._plan, self._reader.kept(self._given_s)
        first_s = now_s - age_s - plan.preroll * plan.every_s
        if kept:
            first_s = max(first_s, kept[0].at_s)
        taken: list[Packed] = []
        trouble = ""
        for number in range(plan.frames):
            at_s, before = first_s + number * plan.every_s, number < plan.preroll
            try:
                taken.append(self._picture(kept, at_s, before=before))
            except ReadError as error:
                trouble = f"{self._device}: {error}; it is opened again as soon as it answers"
                break
        frames = []
        for picture in taken:
            try:
                frames.append(self._frame(picture))
            except ReadError as error:
                trouble = trouble or f"{self._device}: {error}"
        if not frames:
            return Unreadable(name=storable(self._device), reason=trouble, trigger=trigger)
        note = f"{len(frames)} of {self._plan.frames} frames: {trouble}" if trouble else ""
        return Burst(frames=tuple(frames), trigger=trigger, note=note)

    def newest(self) -> Frame | None:
        """The newest picture, None where the camera is away; a burst may still take it."""
        try:
            return self._frame(self._reader.wait(0.0, self._answer_s))
        except ReadError:
            return None

    def _picture(self, kept: list[Packed], at_s: float, *, before: bool) -> Packed:
        """One not given yet: the nearest to a time (monotonic) before the trigger, after it the next; waits for it.

        Raises: ReadError.
        """
        left = [picture for picture in kept if picture.at_s > self._given_s]
        if left and at_s <= left[-1].at_s:
            found = left if before else [picture for picture in left if picture.at_s >= at_s]
            picture = min(found, key=lambda one: abs(one.at_s - at_s))
        else:
            from_s = max(at_s, math.nextafter(self._given_s, math.inf))
            picture = self._reader.wait(from_s, self._answer_s + self._plan.every_s)
        self._given_s = picture.at_s
        return picture

    def _frame(self, picture: Packed) -> Frame:
        own = None
        if picture.codec == "mjpeg":
            jpeg = whole_jpeg(picture.data)
            image, is_jpeg = decode_picture(jpeg, self._max_pixels)
            own = own_jpeg(jpeg) if is_jpeg else None
        else:
            image = unpack(picture, self._max_pixels)
        taken = datetime.fromtimestamp(picture.taken_ms / 1000, UTC)
        return Frame(
            pixels=image,
            taken_ms=picture.taken_ms,
            uncertainty_ms=self._uncertainty_ms,
            name=f"{Path(self.source).name} {taken:%Y-%m-%dT%H:%M:%S}.{picture.taken_ms % 1000:03d}Z",
            jpeg=own,
        )


def check_plan(plan: UsbPlan, pixels: int) -> None:
    """Raises: SetupError when no frame of a burst would be from after its trigger, or memory would not hold it."""
    if plan.preroll >= plan.frames:
        raise SetupError(
            f"key 'camera.usb.preroll' is {plan.preroll}; allowed are 0–{plan.frames - 1}, fewer than camera.usb.frames"
        )
    if plan.frames * pixels > MAX_BURST_PIXELS:
        raise SetupError(
            f"key 'camera.usb.frames' is {plan.frames}; of {pixels / 1e6:.1f} megapixels allowed are "
            f"{int(MAX_BURST_PIXELS // pixels)} a burst"
        )
