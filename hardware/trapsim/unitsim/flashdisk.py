"""A unit's flash: a real littlefs on a disk in memory, which may fail; a plain folder on CPython, which has none.

Faults of the disk: power cut at the n-th write or erase from now, that one half done; writes refused from the n-th on;
blocks that are worn out. A full disk needs no fault: the disk is small enough to fill.
"""

import os

from trapsim.unitsim.endings import POWER, Ended

try:
    import vfs
except ImportError:
    vfs = None

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Any

BLOCK_BYTES = 4096  # an erase block of the chip
BLOCKS = 160  # 640 kB: the queue of 256 kB at a block an object
ERASED = b"\xff" * BLOCK_BYTES
EIO = 5
COUNT, SIZE, ERASE = 4, 5, 6  # of MicroPython's block protocol


class Disk:
    """The chip's bytes, which outlive every mount. `ops`: writes and erases so far; `cut_at`: the one of them that
    power does not outlive; `refuse_from`, `refuse_to`: those which fail with an error."""

    def __init__(self, blocks: int = BLOCKS) -> None:
        self.blocks = blocks
        self.memory: "dict[int, bytearray]" = {}  # those that were ever written
        self.ops = 0
        self.cut_at: "int | None" = None
        self.refuse_from: "int | None" = None
        self.refuse_to = 1 << 60
        self.on_cut: "Callable[[], None]" = lambda: None

    def copy(self) -> "dict[int, bytearray]":
        """All bytes, to put back into `memory` later."""
        return {block: bytearray(self.memory[block]) for block in self.memory}

    def format(self) -> None:
        vfs.VfsLfs2.mkfs(Mounted(self))


class Mounted:
    """One mount's view of the disk. A life that is over must change nothing more: files that were open are closed
    by the garbage collector long after, so `dead` swallows writes without a word.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.dead = False

    def readblocks(self, block: int, buffer: bytearray, offset: int = 0) -> int:
        if self.dead:
            return 0  # by the garbage collector, which may not even allocate a slice
        held = self._disk.memory.get(block)
        buffer[:] = ERASED[: len(buffer)] if held is None else held[offset : offset + len(buffer)]
        return 0

    def writeblocks(self, block: int, buffer: bytearray, offset: int = 0) -> int:
        if self.dead:
            return 0
        return self._change(block, offset, buffer, len(buffer))

    def ioctl(self, op: int, block: int) -> int:
        if op == COUNT:
            return self._disk.blocks
        if op == SIZE:
            return BLOCK_BYTES
        if op == ERASE and not self.dead:
            return self._change(block, 0, ERASED, BLOCK_BYTES)
        return 0

    def _change(self, block: int, at: int, data: "bytes | bytearray", size: int) -> int:
        disk = self._disk
        disk.ops += 1
        if disk.refuse_from is not None and disk.refuse_from <= disk.ops <= disk.refuse_to:
            return -EIO
        if block not in disk.memory:
            disk.memory[block] = bytearray(ERASED)
        if disk.cut_at is None or disk.ops < disk.cut_at:
            disk.memory[block][at : at + size] = data
            return 0
        disk.cut_at = None
        half = size // 2
        disk.memory[block][at : at + half] = data[:half]
        self.dead = True
        disk.on_cut()
        raise Ended(POWER)


class Flash:
    """Where one unit's files are: `path`, while it is mounted. folder: on CPython, an empty one."""

    def __init__(self, number: int, folder: "str | None" = None, blocks: int = BLOCKS) -> None:
        self.disk: "Disk | None" = None
        self.path = folder or "/flash%d" % number
        self._mounted: "Mounted | None" = None
        if folder is None:
            self.disk = Disk(blocks)
            self.disk.format()

    def mount(self) -> None:
        if self.disk is not None:
            self._mounted = Mounted(self.disk)
            vfs.mount(self._mounted, self.path)

    def unmount(self) -> None:
        if self._mounted is not None:
            self._mounted.dead = True
            self._mounted = None
            vfs.umount(self.path)

    def names(self, folder: str = "") -> "list[str]":
        """What lies in a folder of it, for a story to look at."""
        found: "list[str]" = self._reading(lambda: sorted(os.listdir(self.path + folder)), [])
        return found

    def read(self, name: str) -> "bytes | None":
        """A file's bytes, for a story to look at; None where there is none."""
        found: "bytes | None" = self._reading(lambda: _read(self.path + name), None)
        return found

    def _reading(self, what: "Callable[[], Any]", nothing: "Any") -> "Any":
        """By the mount of the running unit, else by one of its own."""
        own = self._mounted is None
        if own:
            self.mount()
        try:
            return what()
        except OSError:
            return nothing
        finally:
            if own:
                self.unmount()


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
