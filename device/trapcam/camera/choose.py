"""The camera that the settings name."""

from collections.abc import Callable
from pathlib import Path

from trapcam.camera import Camera
from trapcam.camera.device import Device
from trapcam.camera.gpio import GpioLamp
from trapcam.camera.lamp import Lamp
from trapcam.camera.library import require_av
from trapcam.camera.light import LightPlan
from trapcam.camera.pi import Notice, PiCamera, PiPlan, check_plan
from trapcam.camera.picamera2_device import picamera2_opener
from trapcam.camera.replay import open_replay
from trapcam.camera.sampling import Sampling
from trapcam.camera.watch import Bounds
from trapcam.config import CameraSettings, PiSettings, UsbSettings
from trapcam.frames import Burst, Frame
from trapcam.trigger import CAUSE_INTERVAL, Trigger
from trapkit.errors import SetupError


def open_camera(camera: CameraSettings, *, uncertainty_ms: int | None, now_ms: Callable[[], int]) -> Camera:
    """The camera, not yet started; `now_ms`: the clock that a live one stamps with.  Raises: SetupError."""
    if camera.kind == "usb":
        return _open_usb(camera.usb, uncertainty_ms, now_ms)
    if camera.kind == "pi":
        return open_pi(camera.pi, uncertainty_ms=uncertainty_ms, now_ms=now_ms)
    replay = camera.replay
    return open_replay(
        replay.folder,
        loop=replay.loop,
        max_megapixels=replay.max_megapixels,
        uncertainty_ms=uncertainty_ms,
        sampling=Sampling(frames=replay.video_frames, every_s=replay.video_every_s),
    )


def tending(camera: Camera) -> Callable[[], tuple[Notice, ...]]:
    """What the main loop is to call often: a Pi camera's `tend`; of others nothing."""
    return camera.tend if isinstance(camera, PiCamera) else lambda: ()


def glancing(camera: Camera) -> Callable[[int], Frame | None]:
    """What the camera sees now, for somebody who places it; nothing is taken away from bursts.

    A live camera's newest picture; of a replay the one at the position that is handed in.
    """
    live = getattr(camera, "newest", None)
    if live is not None:
        return lambda position: live()

    def shown(position: int) -> Frame | None:
        at = position if camera.total is None or position < camera.total else camera.total - 1
        taken = camera.frames(Trigger(number=0, cause=CAUSE_INTERVAL, at_ms=0), max(at, 0))
        return taken.frames[0] if isinstance(taken, Burst) else None

    return shown


def hangs(camera: Camera) -> bool:
    """Whether a thread of it was left behind in a call that does not return."""
    return isinstance(camera, PiCamera) and camera.hung


def open_pi(
    pi: PiSettings,
    *,
    uncertainty_ms: int | None,
    now_ms: Callable[[], int],
    make: Callable[..., PiCamera] = PiCamera,
    open_device: Callable[[], Device] | None = None,
    lamp: Lamp | None = None,
) -> Camera:
    """The Pi's camera; `make`, `open_device`, `lamp`: in place of the real ones, for a simulated module.

    Raises: SetupError.
    """
    light = LightPlan(
        longest_us=round(pi.day_longest_ms * 1000),
        night_us=round(pi.night_ms * 1000),
        night_gain=pi.night_gain,
        always="" if pi.light == "auto" else pi.light,
    )
    bounds = Bounds(renew_shots=pi.renew_shots)
    plan = PiPlan(frames=pi.frames, every_s=pi.every_s, preroll=pi.preroll, bounds=bounds, light=light)
    check_plan(plan, pi.rate)
    lines = {"lamp_gpio": pi.lamp_gpio, "filter_gpio": pi.filter_gpio}
    shines = lamp is not None or pi.lamp_gpio >= 0
    if lamp is None and max(lines.values()) >= 0:
        if pi.lamp_gpio == pi.filter_gpio:
            raise SetupError(f"keys 'camera.pi.lamp_gpio' and 'camera.pi.filter_gpio' are both {pi.lamp_gpio}")
        if not Path(pi.gpio_chip).exists():
            raise SetupError(f"key 'camera.pi.gpio_chip' is {pi.gpio_chip!r}: no such chip, see `gpiodetect`")
        lamp = GpioLamp(pi.gpio_chip, *(None if line < 0 else line for line in lines.values()))
    return make(
        open_device or picamera2_opener(lens_position=pi.lens_position, rate=pi.rate), plan,
        uncertainty_ms=uncertainty_ms, now_ms=now_ms, lamp=lamp, shines=shines,
    )  # fmt: skip


def _open_usb(usb: UsbSettings, uncertainty_ms: int | None, now_ms: Callable[[], int]) -> Camera:
    require_av("camera.kind is 'usb'")
    from trapcam.camera.usb import UsbCamera, UsbPlan
    from trapcam.camera.usb import check_plan as check_usb
    from trapcam.camera.v4l2 import advice, v4l2_opener

    plan = UsbPlan(frames=usb.frames, every_s=usb.every_s, preroll=usb.preroll)
    check_usb(plan, usb.width * usb.height)
    if not Path(usb.device).exists():
        raise SetupError(f"camera.usb.device {usb.device!r}: there is no such device; {advice('')}")
    opener = v4l2_opener(
        usb.device, picture_format=usb.format, width=usb.width, height=usb.height, rate=usb.rate
    )  # fmt: skip
    return UsbCamera(usb.device, opener, plan, uncertainty_ms=uncertainty_ms, now_ms=now_ms)
