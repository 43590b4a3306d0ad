"""The camera that the settings name."""

from collections.abc import Callable
from pathlib import Path

from trapcam.camera import Camera
from trapcam.camera.library import require_av
from trapcam.camera.replay import open_replay
from trapcam.camera.sampling import Sampling
from trapcam.config import CameraSettings, UsbSettings
from trapkit.errors import SetupError


def open_camera(camera: CameraSettings, *, uncertainty_ms: int | None, now_ms: Callable[[], int]) -> Camera:
    """The camera, not yet started; `now_ms`: the clock that a live one stamps with.  Raises: SetupError."""
    if camera.kind == "usb":
        return _open_usb(camera.usb, uncertainty_ms, now_ms)
    replay = camera.replay
    return open_replay(
        replay.folder,
        loop=replay.loop,
        max_megapixels=replay.max_megapixels,
        uncertainty_ms=uncertainty_ms,
        sampling=Sampling(frames=replay.video_frames, every_s=replay.video_every_s),
    )


def _open_usb(usb: UsbSettings, uncertainty_ms: int | None, now_ms: Callable[[], int]) -> Camera:
    require_av("camera.kind is 'usb'")
    from trapcam.camera.usb import UsbCamera, UsbPlan, check_plan
    from trapcam.camera.v4l2 import advice, v4l2_opener

    plan = UsbPlan(frames=usb.frames, every_s=usb.every_s, preroll=usb.preroll)
    check_plan(plan, usb.width * usb.height)
    if not Path(usb.device).exists():
        raise SetupError(f"camera.usb.device {usb.device!r}: there is no such device; {advice('')}")
    opener = v4l2_opener(
        usb.device, picture_format=usb.format, width=usb.width, height=usb.height, rate=usb.rate
    )  # fmt: skip
    return UsbCamera(usb.device, opener, plan, uncertainty_ms=uncertainty_ms, now_ms=now_ms)
