"""The seam to a camera module: what `pi` asks of libcamera's side, and nothing of libcamera itself (pure types).

`picamera2_device` is the real side, `trapsim.picam` the simulated one with its faults.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 2304, 1296  # of the one mode (pixels); its pictures have 4.5 MB
LORES_WIDTH, LORES_HEIGHT = 384, 216  # small enough to look at all the time, of the same shape


class DeviceError(Exception):
    """The camera did not do what it was asked, which the message names: it is to be closed and opened anew."""

    kind = "error"  # what it is counted as


class DeviceSilentError(DeviceError):
    """It gave no picture in time."""

    kind = "silent"


class CameraLostError(Exception):
    """Opening it anew within this process does not help: the process has to end and be started again."""


@dataclass(frozen=True, kw_only=True)
class Controls:
    """How pictures are taken from now on.

    exposure_us: exposure time (µs; 0: the camera chooses); gain: analogue gain (1.0–; 0: the camera chooses);
    colour_gains: of red and blue (None: the camera chooses).
    """

    exposure_us: int = 0
    gain: float = 0.0
    colour_gains: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Shot:
    """One picture as the camera packs it, in memory of its own: the camera has its buffers back.

    main: (height × 3 / 2, width), YUV 4:2:0 in three planes, BT.601 full range; lores: (h, w), luminance; at_s: when
    its first line was read out (s, monotonic); exposure_us, gain: those that it was taken with; lens: focus in dioptres
    (None: not said).
    """

    main: Plane
    lores: Plane
    at_s: float
    exposure_us: int
    gain: float
    lens: float | None = None


class Device(Protocol):
    """A camera module. Built closed. One thread uses it, but `close` may come from another while a call hangs."""

    def start(self) -> None:
        """Configure the one mode and begin to stream.  Raises: DeviceError, MemoryError."""

    def set_controls(self, controls: Controls) -> None:
        """From one of the next pictures on, or, before `start`, from the first.  Raises: DeviceError."""

    def capture(self, timeout_s: float) -> Shot:
        """The next picture, copied.  Raises: DeviceError, when none comes in time too; MemoryError.

        Known to hang for minutes all the same (picamera2 #1086): whoever calls it watches it.
        """

    def close(self) -> None:
        """Stop streaming and let go of it; harmless when repeated. May hang as `capture` may."""
