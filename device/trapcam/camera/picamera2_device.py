"""The Pi's camera module by picamera2 (the only importer of it): one mode, configured once a start, never switched.

What is known of picamera2 and taken care of here: a capture takes a time limit; a request goes back at once, copied;
its own exit handler, which hangs when the camera does, is taken out; its buffers hang in reference cycles, and the next
start needs their memory. Tried with the real library over libcamera's virtual camera (`make test-picamera2`).
"""

import atexit
import errno
import gc
import time
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np

from trapcam.camera.device import (
    HEIGHT,
    LORES_HEIGHT,
    LORES_WIDTH,
    WIDTH,
    Controls,
    Device,
    DeviceError,
    DeviceSilentError,
    Plane,
    Shot,
)
from trapcam.camera.yuv import pack
from trapkit.errors import SetupError

BUFFERS = 4  # one that picamera2 keeps, one that is being copied, two for the camera: 18 MB
MANUAL_FOCUS = 0  # libcamera's AfModeManual
SENSOR_BITS = 10  # of the sensor's mode with 2 × 2 pixels read as one, which the size names


def picamera2_opener(*, lens_position: float, rate: float) -> Callable[[], Device]:
    """Makes closed devices: focus (dioptres), pictures a second.  Raises: SetupError when picamera2 is not here."""
    try:
        import picamera2
    except ImportError as error:
        raise SetupError(
            f"camera.kind is 'pi', and picamera2 cannot be imported ({error}): `sudo apt install python3-picamera2`, "
            "and make the environment with `python3 -m venv --system-site-packages`"
        ) from error
    return lambda: Picamera2Device(picamera2, lens_position=lens_position, rate=rate)


class Picamera2Device:
    """`trapcam.camera.device.Device` on the first camera that libcamera finds."""

    def __init__(self, library: ModuleType, *, lens_position: float, rate: float) -> None:
        self._library = library
        self._lens_position = lens_position
        self._rate = rate
        self._camera: Any = None
        self._controls: dict[str, Any] = {}
        self._main: dict[str, Any] = {}
        self._lores: dict[str, Any] = {}

    def start(self) -> None:
        """Configure and begin to stream.  Raises: DeviceError, MemoryError."""
        try:
            camera = self._camera = self._library.Picamera2()
            atexit.unregister(camera.close)
            frame_us = round(1e6 / self._rate)
            fixed = {
                "FrameDurationLimits": (frame_us, frame_us),
                "AfMode": MANUAL_FOCUS,
                "LensPosition": self._lens_position,
            }
            configuration = camera.create_video_configuration(
                main={"size": (WIDTH, HEIGHT), "format": "YUV420"},
                lores={"size": (LORES_WIDTH, LORES_HEIGHT), "format": "YUV420"},
                raw=None,
                sensor={"output_size": (WIDTH, HEIGHT), "bit_depth": SENSOR_BITS},
                colour_space=self._library.picamera2.libcamera.ColorSpace.Sycc(),
                buffer_count=BUFFERS,
                controls=self._had(fixed | self._controls),
                display=None,
                encode=None,
            )
            camera.configure(configuration)
            given = camera.camera_configuration()
            self._main, self._lores = given["main"], given["lores"]
            camera.start(show_preview=False)
        except Exception as error:  # whatever libcamera's side throws is the device's fault, and named
            raise _sorted_out(error) from error
        if self._main["format"] not in ("YUV420", "NV12") or tuple(self._main["size"]) != (WIDTH, HEIGHT):
            raise DeviceError(f"gives {self._main['format']} of {self._main['size']} in place of YUV420")

    def set_controls(self, controls: Controls) -> None:
        """From one of the next pictures on.  Raises: DeviceError."""
        self._controls = {"ExposureTime": controls.exposure_us, "AnalogueGain": controls.gain}
        self._controls["AwbEnable"] = controls.colour_gains is None
        if controls.colour_gains is not None:
            self._controls["ColourGains"] = controls.colour_gains
        if self._camera is not None:
            try:
                self._camera.set_controls(self._had(self._controls))
            except Exception as error:
                raise _sorted_out(error) from error

    def capture(self, timeout_s: float) -> Shot:
        """The next picture, copied.  Raises: DeviceError, MemoryError."""
        if self._camera is None:
            raise DeviceError("it does not stream")
        try:
            request = self._camera.capture_request(wait=timeout_s)
            try:
                facts = request.get_metadata()
                main, lores = self._copied(request, "main", self._main), self._luminance(request)
            finally:
                request.release()
        except TimeoutError as error:
            raise DeviceSilentError(f"gave no picture for {timeout_s:g} s") from error
        except MemoryError:
            raise
        except Exception as error:
            raise _sorted_out(error) from error
        stamp_ns = facts.get("SensorTimestamp")
        return Shot(
            main=main,
            lores=lores,
            at_s=time.monotonic() if stamp_ns is None else stamp_ns / 1e9,
            exposure_us=int(facts.get("ExposureTime", self._controls.get("ExposureTime") or 0)),
            gain=float(facts.get("AnalogueGain", self._controls.get("AnalogueGain") or 1.0)),
            lens=facts.get("LensPosition"),
        )

    def close(self) -> None:
        """Stop and let go; may hang where libcamera does. What fails here shows at the next start."""
        camera, self._camera = self._camera, None
        if camera is None:
            return
        with suppress(Exception):
            camera.cancel_all_and_flush()
        with suppress(Exception):
            camera.close()
        del camera
        gc.collect()

    def _had(self, controls: dict[str, Any]) -> dict[str, Any]:
        """Those that this camera has: to set another is an error, and a module without autofocus has no lens to set."""
        return {name: value for name, value in controls.items() if name in self._camera.camera_controls}

    def _copied(self, request: Any, stream: str, given: dict[str, Any]) -> Plane:
        width, height = given["size"]
        with self._library.MappedArray(request, stream, reshape=False) as mapped:
            flat = np.asarray(mapped.array).reshape(-1)
            return pack(flat, width, height, given["stride"], interleaved=given["format"] == "NV12")

    def _luminance(self, request: Any) -> Plane:
        width, height = self._lores["size"]
        stride = self._lores["stride"]
        with self._library.MappedArray(request, "lores", reshape=False) as mapped:
            flat = np.asarray(mapped.array).reshape(-1)
            return flat[: stride * height].reshape(height, stride)[:, :width].copy()


def _sorted_out(error: Exception) -> Exception:
    """What libcamera's side threw, as this seam says it: memory apart, for that a restart of the computer may help."""
    text = str(error) or type(error).__name__
    cause = f"{text}: {error.__cause__}" if error.__cause__ else text
    if isinstance(error, DeviceError):
        return error
    if (isinstance(error, OSError) and error.errno == errno.ENOMEM) or "allocat" in cause.lower():
        return MemoryError(cause[:200])
    return DeviceError(cause[:200])
