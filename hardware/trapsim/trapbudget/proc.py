"""What kernel and allocator count of this process: memory, and bytes that went to a disk."""

import ctypes
from pathlib import Path

STATUS, IO = Path("/proc/self/status"), Path("/proc/self/io")


def memory_kb() -> dict[str, int]:
    """VmRSS, VmHWM and what of it is the process's own (RssAnon), in kB."""
    fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return {name: int(fields[name].split()[0]) for name in ("VmRSS", "VmHWM", "RssAnon")}


def written_bytes() -> int:
    """Bytes that this process has made the kernel write to disks so far; page by page, as the kernel counts."""
    fields = dict(line.split(": ") for line in IO.read_text().splitlines())
    return int(fields["write_bytes"]) - int(fields["cancelled_write_bytes"])


class _MallInfo(ctypes.Structure):
    """glibc's `struct mallinfo2` (mallinfo(3))."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    )


def free_kb() -> int:
    """What the allocator has taken from the kernel and keeps free, in kB; 0 where it does not say."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):  # no glibc, or one before 2.33
        return 0
    ask.restype = _MallInfo
    return int(ask().fordblks) // 1024
