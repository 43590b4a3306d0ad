"""The one place that asks the kernel how good its clock is: `adjtimex`, which chrony, ntpd and systemd-timesyncd set.

Reading needs no right; nothing is ever set from here.
"""

import ctypes
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

STA_UNSYNC = 0x0040  # linux/timex.h
TIME_ERROR = 5  # adjtimex's answer while nobody keeps the clock right
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
RTC = Path("/sys/class/rtc")


class Reading(NamedTuple):
    """The clock at one moment, Unix ms, beside a count that nobody can set and that runs through sleep.

    synced: somebody keeps it right, to within error_ms as the kernel was told; boot: names this start of the machine;
    rtc: the clock was set from a real-time clock at that start.
    """

    utc_ms: int
    boot_ms: int
    synced: bool
    error_ms: int
    boot: str
    rtc: bool


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),  # microseconds
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),  # more than the kernel writes
    )


class KernelClock:
    """`read()` never raises: where the kernel does not say, the clock is not kept right."""

    def __init__(self, boot_id: Path = BOOT_ID, rtc: Path = RTC) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._boot = ""
        self._rtc = False
        with suppress(OSError, UnicodeDecodeError):
            self._boot = boot_id.read_text()[:64].strip()
        with suppress(OSError, UnicodeDecodeError):
            self._rtc = any(path.read_text().strip() == "1" for path in rtc.glob("rtc*/hctosys"))

    def read(self) -> Reading:
        timex = _Timex()
        state = -1
        with suppress(AttributeError):  # another libc
            state = self._libc.adjtimex(ctypes.byref(timex))
        synced = state not in (-1, TIME_ERROR) and not timex.status & STA_UNSYNC
        boot_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        error_ms = max(0, -(-timex.maxerror // 1000))
        return Reading(time.time_ns() // 1_000_000, boot_ms, synced, error_ms, self._boot, self._rtc)
