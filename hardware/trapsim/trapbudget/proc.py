"""What the kernel counts of this process: memory, and bytes that went to a disk."""

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
