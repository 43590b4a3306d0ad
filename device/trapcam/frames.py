"""Frames and bursts: what a camera gives for a trigger (pure)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trapcam.trigger import Trigger

Image = npt.NDArray[np.uint8]  # (height, width, 3), RGB
Grey = npt.NDArray[np.uint8]  # (height, width)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture: its pixels, or what unpacks them; when it was taken (Unix ms, UTC) and how far that may be off (ms;
    None: unknown), what the source calls it, and the file's own JPEG bytes where it was one. `grey`: its luminance made
    small, uint8 (rows, columns), where the camera gives that at no cost: motion is then found without unpacking."""

    pixels: Image | Callable[[], Image]
    taken_ms: int
    uncertainty_ms: int | None
    name: str
    jpeg: bytes | None = None
    grey: Grey | None = None

    @property
    def image(self) -> Image:
        """(height, width, 3), RGB. Of a packed one unpacked at each call: 9 MB of a trap's 512, so hold few at once."""
        return self.pixels() if callable(self.pixels) else self.pixels


@dataclass(frozen=True, kw_only=True)
class Burst:
    """The frames of one trigger, at least one, in the order they were taken; `note`: what is missing of it and why;
    `lit`: whether a lamp was to shine on them (None: the camera does not know)."""

    frames: tuple[Frame, ...]
    trigger: Trigger
    note: str = ""
    lit: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A picture, or a part of a video, that could not be read: an outcome like any other, recorded and counted."""

    name: str
    reason: str
    trigger: Trigger
