"""The thread that reads a live camera into the ring of its last seconds, and opens it again whenever it fails."""

import threading
import time
from collections.abc import Callable

import av
from av.container import InputContainer

from trapcam.camera.ring import COVER_S, MAX_RING_BYTES, Packed, Ring
from trapcam.camera.still import MAX_FILE_BYTES, ReadError

REOPEN_S = 2.0  # between two tries at a camera that is gone: a replugged one is back within a few seconds
CLOSE_S = 2.0  # a thread that hangs in the kernel longer than this is left behind
CODECS = ("mjpeg", "rawvideo")  # in these each packet is a whole picture by itself


class Reader:
    """Reads what `open_device` gives until `close`, and opens it again whenever it fails.

    every_s: between the pictures that are kept; cover_s, max_bytes: how far back they reach, and how much they may
    hold; now_ms: the clock that pictures are stamped with, when they come out of the driver; monotonic_s: the one that
    times between them are measured by. Two threads share it: its own, and one that asks.
    """

    def __init__(
        self,
        open_device: Callable[[], InputContainer],
        *,
        every_s: float,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float] = time.monotonic,
        cover_s: float = COVER_S,
        max_bytes: int = MAX_RING_BYTES,
        reopen_s: float = REOPEN_S,
    ) -> None:
        self._open_device = open_device
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._reopen_s = reopen_s
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._ring = Ring(every_s, cover_s, max_bytes)
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
            return self._ring.after(after_s)

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
                self._latest = None  # what is in the ring was taken all the same, at its own time
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
                    at_s=self._monotonic_s(),
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
            self._ring.add(picture)
            self._changed.notify_all()
