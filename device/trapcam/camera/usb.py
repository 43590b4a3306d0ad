"""A camera on USB, or any other that Linux shows as /dev/videoN (V4L2, through PyAV)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import av
from av.container import InputContainer

from trapcam.camera.jpeg import whole_jpeg
from trapcam.camera.reader import REOPEN_S, Packed, Reader, unpack
from trapcam.camera.sampling import MAX_BURST_PIXELS
from trapcam.camera.still import ReadError, decode_picture, storable
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
        answer_s: float = ANSWER_S,
        start_s: float = START_S,
        reopen_s: float = REOPEN_S,
    ) -> None:
        self._device = device
        self._plan = plan
        self._uncertainty_ms = uncertainty_ms
        self._answer_s = answer_s
        self._start_s = start_s
        self._reader = Reader(
            open_device, keep=max(plan.preroll, 1), every_s=plan.every_s, now_ms=now_ms, reopen_s=reopen_s
        )
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
        """The burst of a trigger that comes now. A camera that fails within it gives what it gave until then."""
        asked_s = time.monotonic()
        taken = self._reader.kept(self._given_s)[-self._plan.preroll :] if self._plan.preroll else []
        trouble = ""
        while len(taken) < self._plan.frames:
            from_s = max(asked_s, taken[-1].at_s + self._plan.every_s) if taken else asked_s
            try:
                taken.append(self._reader.wait(from_s, self._answer_s + self._plan.every_s))
            except ReadError as error:
                trouble = f"{self._device}: {error}; it is opened again as soon as it answers"
                break
        frames = []
        for picture in taken:
            self._given_s = picture.at_s
            try:
                frames.append(self._frame(picture))
            except ReadError as error:
                trouble = trouble or f"{self._device}: {error}"
        if not frames:
            return Unreadable(name=storable(self._device), reason=trouble, trigger=trigger)
        note = f"{len(frames)} of {self._plan.frames} frames: {trouble}" if trouble else ""
        return Burst(frames=tuple(frames), trigger=trigger, note=note)

    def _frame(self, picture: Packed) -> Frame:
        jpeg = None
        if picture.codec == "mjpeg":
            jpeg = whole_jpeg(picture.data)
            image, _ = decode_picture(jpeg, MAX_PIXELS)
        else:
            image = unpack(picture)
        taken = datetime.fromtimestamp(picture.taken_ms / 1000, UTC)
        return Frame(
            image=image,
            taken_ms=picture.taken_ms,
            uncertainty_ms=self._uncertainty_ms,
            name=f"{Path(self.source).name} {taken:%Y-%m-%dT%H:%M:%S}.{picture.taken_ms % 1000:03d}Z",
            jpeg=jpeg,
        )


def advice(reason: str) -> str:
    """What the operator can do about a device that does not open."""
    if "ermission" in reason:
        return "let the trap's user into the group `video`"
    if "usy" in reason:
        return "another program holds it: end that one"
    if "nvalid argument" in reason:
        return "it has no such size, rate or format: `v4l2-ctl --list-formats-ext` shows those that it has"
    return "plug the camera in, or name its device: `ls /dev/video*` shows those that are there"


def v4l2_opener(
    device: str, *, picture_format: str, width: int, height: int, rate: float
) -> Callable[[], InputContainer]:
    """Opens the device for that format, size (pixels) and rate (pictures/s)."""
    options = {"input_format": picture_format, "video_size": f"{width}x{height}", "framerate": f"{rate:g}"}

    def open_device() -> InputContainer:
        return av.open(device, format="v4l2", options=options)

    return open_device


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
