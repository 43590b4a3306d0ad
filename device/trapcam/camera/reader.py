"""The thread that reads a live camera, and the few pictures of it that are kept: a ring from before the trigger.

Pictures stay as the camera packed them (a JPEG of some 100 kB in place of 6 MB of pixels) until a burst is asked for.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import av
import numpy as np
from av.container import InputContainer

from trapcam.camera.still import MAX_FILE_BYTES, ReadError
from trapcam.frames import Image

REOPEN_S = 2.0  # between two tries at a camera that is gone: a replugged one is back within a few seconds
CLOSE_S = 2.0  # a thread that hangs in the kernel longer than this is left behind
CODECS = ("mjpeg", "rawvideo")  # in these each packet is a whole picture by itself


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A picture as it came: when (Unix ms, UTC; s of the monotonic clock), its bytes, and how to read them."""

    taken_ms: int
    at_s: float
    data: bytes
    codec: str
    width: int
    height: int
    pix_fmt: str


class Reader:
    """Reads what `open_device` gives until `close`, and opens it again whenever it fails.

    keep: pictures held from before a trigger, `every_s` apart; now_ms: the clock that pictures are stamped with, when
    they come out of the driver. Two threads share it: its own, and one that asks.
    """

    def __init__(
        self,
        open_device: Callable[[], InputContainer],
        *,
        keep: int,
        every_s: float,
        now_ms: Callable[[], int],
        reopen_s: float = REOPEN_S,
    ) -> None:
        self._open_device = open_device
        self._every_s = every_s
        self._now_ms = now_ms
        self._reopen_s = reopen_s
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._ring: deque[Packed] = deque(maxlen=keep)
        self._latest: Packed | None = None
        self._trouble = ""
        # A daemon: a driver that never answers must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading; waits for the thread, but not for ever."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def kept(self, after_s: float) -> list[Packed]:
        """The ring: pictures younger than `after_s` (monotonic), oldest first."""
        with self._changed:
            return [picture for picture in self._ring if picture.at_s > after_s]

    def wait(self, from_s: float, timeout_s: float) -> Packed:
        """The latest picture of `from_s` (monotonic) or later; waits for one.

        Raises: ReadError when the camera is gone, or gives none within `timeout_s`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._trouble or self._since(from_s), timeout_s)
            if self._trouble:
                raise ReadError(self._trouble)
            found = self._since(from_s)
            if found is None:
                raise ReadError(f"gave no picture for {timeout_s:.1f} s: unplug it and plug it in again")
            return found

    def _since(self, from_s: float) -> Packed | None:
        return self._latest if self._latest is not None and self._latest.at_s >= from_s else None

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._open_device() as container:
                    self._read(container)
                reason = "it stopped sending"
            except (av.FFmpegError, OSError, ValueError) as error:
                reason = (getattr(error, "strerror", None) or str(error))[:120]
            except ReadError as error:
                reason = str(error)
            with self._changed:
                self._trouble = reason
                self._latest = None
                self._ring.clear()
                self._changed.notify_all()
            self._stop.wait(self._reopen_s)

    def _read(self, container: InputContainer) -> None:
        if not container.streams.video:
            raise ReadError("gives no pictures: name another device as camera.usb.device")
        stream = container.streams.video[0]
        coded = stream.codec_context
        if coded.name not in CODECS:
            raise ReadError(f"gives {coded.name}: set camera.usb.format to one that it has (v4l2-ctl --list-formats)")
        for packet in container.demux(stream):
            if self._stop.is_set():
                return
            if packet.size == 0 or packet.size > MAX_FILE_BYTES or packet.is_corrupt:
                continue
            # A copy: the driver's own buffers go back to it, and are gone when it is closed.
            self._keep(
                Packed(
                    taken_ms=self._now_ms(),
                    at_s=time.monotonic(),
                    data=bytes(packet),
                    codec=coded.name,
                    width=coded.width,
                    height=coded.height,
                    pix_fmt=coded.pix_fmt or "",
                )
            )

    def _keep(self, picture: Packed) -> None:
        with self._changed:
            self._trouble = ""
            self._latest = picture
            if not self._ring or picture.at_s >= self._ring[-1].at_s + self._every_s:
                self._ring.append(picture)
            self._changed.notify_all()


def unpack(picture: Packed) -> Image:
    """The pixels of an uncompressed picture, RGB.  Raises: ReadError."""
    context = av.CodecContext.create(picture.codec, "r")
    with suppress(av.FFmpegError, ValueError):
        if isinstance(context, av.VideoCodecContext):
            context.width, context.height, context.pix_fmt = picture.width, picture.height, picture.pix_fmt
            for frame in context.decode(av.Packet(picture.data)):
                return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    raise ReadError(f"gave {len(picture.data)} bytes that are no {picture.width}×{picture.height} picture")
