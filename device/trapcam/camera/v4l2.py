"""Linux's own side of a camera: how /dev/videoN is opened, and what the operator can do when it is not."""

from collections.abc import Callable

import av
from av.container import InputContainer


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
    options["max_pixels"] = str(2 * width * height)  # FFmpeg looks at first pictures itself; drivers round sizes up

    def open_device() -> InputContainer:
        return av.open(device, format="v4l2", options=options)

    return open_device
