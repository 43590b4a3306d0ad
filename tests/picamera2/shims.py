"""What stands between the real picamera2 and a machine that is no Raspberry Pi. Imported before it, by `drive.py` only.

- `pykms`, which only a preview on a screen uses, is an empty module.
- Camera buffers come from memfds in place of the kernel's DMA heaps; their cache needs no synchronising; each has two
  planes, without which libcamera's virtual camera aborts.
- libcamera's virtual camera has no raw stream, which picamera2 asks every camera for: one mode is named.
- It leaves the status of a finished buffer unset (0.4.0): every one counts as good.
- It completes requests as fast as they are queued, too: here each waits for its time.
"""

import os
import sys
import time
import types

RATE = 10.0  # pictures a second


class _Names:
    def __getattr__(self, name):
        return name


sys.modules["pykms"] = types.ModuleType("pykms")
sys.modules["pykms"].PixelFormat = _Names()

import libcamera  # noqa: E402
import picamera2.allocators.dmaallocator as dmaallocator  # noqa: E402
from picamera2 import Picamera2  # noqa: E402
from picamera2.dma_heap import UniqueFD  # noqa: E402

heaps = {"open": 0, "bytes": 0, "room": None}  # room: bytes that there are (None: no end of them)


class MemfdHeap:
    """`picamera2.dma_heap.DmaHeap` over memfds. With `heaps["room"]` it runs out, as a Pi's does."""

    def __init__(self):
        heaps["open"] += 1

    isValid = True  # noqa: N815 (picamera2's name)

    def alloc(self, name, size):
        heaps["bytes"] += size
        if heaps["room"] is not None and heaps["bytes"] > heaps["room"]:
            raise OSError(12, "Cannot allocate memory")  # what the kernel's ioctl gives
        fd = os.memfd_create(name)
        os.ftruncate(fd, size)
        return UniqueFD(fd)

    def close(self):
        heaps["open"] -= 1


class _TwoPlanes:
    """`libcamera.FrameBuffer` as the virtual camera wants it: NV12 in two planes of one memfd; picamera2 names one."""

    Plane = libcamera.FrameBuffer.Plane

    def __new__(cls, planes):
        (luminance,) = planes  # itself, for picamera2 knows a buffer again by the number of its descriptor
        chroma = cls.Plane()
        chroma.fd = luminance.fd
        chroma.offset = luminance.length * 2 // 3
        chroma.length = luminance.length - chroma.offset
        luminance.length = chroma.offset
        return libcamera.FrameBuffer([luminance, chroma])


class _AnyStatus(libcamera.FrameMetadata.Status):
    """Equal to every status: a subclass, so that Python asks it first."""

    __hash__ = None

    def __eq__(self, other):
        return True


class _NoSync:
    @staticmethod
    def ioctl(fd, request, argument):
        return 0


dmaallocator.DmaHeap = MemfdHeap
dmaallocator.fcntl = _NoSync
dmaallocator.libcamera = types.SimpleNamespace(FrameBuffer=_TwoPlanes)
libcamera.FrameMetadata.Status.Success = _AnyStatus(0)
Picamera2._get_raw_modes = lambda self: [{"format": "SRGGB10_CSI2P", "size": (2304, 1296)}]
_process = Picamera2.process_requests


def _paced(self, display):
    """In the event loop's own thread: a request goes back to the camera when its successor is due."""
    time.sleep(1 / RATE)
    return _process(self, display)


Picamera2.process_requests = _paced
