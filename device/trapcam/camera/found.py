"""What a video gave of a burst, and in words what is missing of it."""

from dataclasses import dataclass, field

from trapcam.camera.shown import Shown, TooLargeError
from trapcam.camera.still import COPY_AGAIN
from trapcam.frames import Image


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One sampled picture and its time in the video."""

    at_s: float
    image: Image


@dataclass(kw_only=True)
class Found:
    """What a video gave of what was wanted; `ended_s`: where it ended, if that was before the last of it.

    too_large: a size (pixels) that was not decoded; searched: all that may be read was read, and its place not reached.
    """

    shots: list[Shot] = field(default_factory=list)
    damaged: int = 0
    too_large: int = 0
    ended_s: float | None = None
    searched: bool = False
    _last: Shown | None = None

    def take(self, shown: Shown, at_s: float) -> None:
        """Decode a picture; of one that is slower than the sampling once is enough."""
        if shown is self._last:
            return
        self._last = shown
        try:
            image = shown.image()
        except TooLargeError as error:
            image, self.too_large = None, max(self.too_large, error.pixels)
        if image is None:
            self.damaged += 1
        else:
            self.shots.append(Shot(at_s=at_s, image=image))

    def note(self, duration_s: float, max_pixels: float, wanted: int) -> str:
        """What is missing of so many `wanted`, and why."""
        if self.searched:
            return f"its index is damaged, and the place was not found by reading on: {COPY_AGAIN}, or repair it"
        if self.ended_s is not None:
            return (
                f"ends at {self.ended_s:.1f} s of {duration_s:.1f} s: the recording was cut off; "
                "frames until then were judged"
            )
        others = "; the others were judged" if self.shots else ""
        if self.too_large:
            return (
                f"{self.damaged} of {wanted} frames are of up to {self.too_large / 1e6:.1f} megapixels, allowed "
                f"are {max_pixels / 1e6:g} each: scale it down{others}"
            )
        return f"{self.damaged} of {wanted} frames are damaged{others}" if self.damaged and self.shots else ""
