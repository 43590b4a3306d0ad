"""Cameras: whatever gives frames for a trigger. One adapter file per kind."""

from typing import Protocol

from trapcam.frames import Burst, Unreadable
from trapcam.trigger import Trigger


class Camera(Protocol):
    """A source of frames. Built stopped: `start` before the first `frames`, `close` at the end.

    A camera keeps no place of its own: the outbox commits `position` (bursts taken from this source so far) together
    with each outcome and hands it back, so a power cut neither skips nor repeats a picture.
    """

    @property
    def source(self) -> str:
        """Names this source in the outbox."""

    @property
    def total(self) -> int | None:
        """How many bursts there are; None where they never end."""

    @property
    def about(self) -> str:
        """A few words for the operator: what there is to see."""

    def start(self) -> None:
        """Begin to watch.  Raises: SetupError when there is nothing to watch with."""

    def frames(self, trigger: Trigger, position: int) -> Burst | Unreadable | None:
        """The burst at `position`, what kept it from being read, or None when there are no more."""

    def close(self) -> None:
        """Let go of the device; harmless when repeated."""
