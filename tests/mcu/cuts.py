"""Power cuts: flash that ends at its n-th byte or operation. Two kinds, the code that is tested knows neither:

a plain folder, where a cut may fall after every byte written and between all operations of `os` and `open`;
a real littlefs (MicroPython has it) on blocks in memory, where it falls at every block erased or written, the last one
half written. After a cut nothing works any more until `power_on`.
"""

import os

from tests.mcu.bench import make_folder, remove_folder

try:
    import vfs
except ImportError:
    vfs = None  # CPython: plain folders only


class CutError(Exception):
    """The power has gone."""


class _File:
    def __init__(self, flash, file):
        self._flash = flash
        self._file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def seek(self, at):
        self._file.seek(at)

    def write(self, data):
        left = self._flash.left
        if isinstance(data, str):
            data = data.encode()
        if left is not None and len(data) > left:
            self._file.write(data[:left])
            self._file.close()
            self._flash.left = 0
            raise CutError
        self._file.write(data)
        self._flash.spend(len(data))
        return len(data)


class _Os:
    """`os` of a module that is tested: what changes the folder costs one of what is left."""

    def __init__(self, flash):
        self._flash = flash
        self.stat = os.stat
        self.listdir = os.listdir

    def rename(self, old, new):
        self._flash.spend(1)
        os.rename(old, new)

    def remove(self, path):
        self._flash.spend(1)
        os.remove(path)

    def mkdir(self, path):
        self._flash.spend(1)
        os.mkdir(path)

    def rmdir(self, path):
        self._flash.spend(1)
        os.rmdir(path)


class Folder:
    """A plain folder; `modules`: those whose `open` and `os` are watched."""

    def __init__(self, modules, make):
        self.path = make_folder()
        self.left = None
        self.modules = modules
        make(self.path)
        for module in modules:
            module.open = self._open
            if hasattr(module, "os"):
                module.os = _Os(self)

    def arm(self, count):
        self.left = count

    def spend(self, count):
        if self.left is not None:
            if self.left < count:
                self.left = 0
                raise CutError
            self.left -= count

    def power_on(self):
        self.left = None

    def close(self):
        for module in self.modules:
            del module.open
            if hasattr(module, "os"):
                module.os = os
        remove_folder(self.path)

    def _open(self, path, mode="r"):
        if mode in ("r", "rb"):
            return open(path, mode)
        self.spend(1)
        # Unbuffered where Python has it: a byte is written when it is written.
        binary = mode if "b" in mode else mode + "b"
        return _File(self, open(path, binary) if vfs else open(path, binary, 0))


class LittleFs:
    """A littlefs of 64 blocks of 512 bytes."""

    def __init__(self, modules, make):
        self.path = "/cut"
        self.modules = modules
        self._files = []
        for module in modules:
            module.open = self._open
        self._blocks = _Blocks(bytearray(_Blocks.SIZE * _Blocks.COUNT))
        vfs.VfsLfs2.mkfs(self._blocks)
        vfs.mount(vfs.VfsLfs2(self._blocks), self.path)
        make(self.path)

    def arm(self, count):
        self._blocks.left = count

    def power_on(self):
        data = bytearray(self._blocks.data)
        self._blocks.left = None
        self._close_files()
        vfs.umount(self.path)
        self._blocks = _Blocks(data)
        vfs.mount(vfs.VfsLfs2(self._blocks), self.path)

    def close(self):
        self._close_files()
        for module in self.modules:
            del module.open
        vfs.umount(self.path)

    def _open(self, path, mode="r"):
        file = open(path, mode)  # noqa: SIM115
        self._files.append(file)
        return file

    def _close_files(self):
        """What a cut left open: else the garbage collector closes it, whenever it comes, onto other blocks."""
        for file in self._files:
            try:
                file.close()
            except OSError:
                pass
        self._files = []


class _Blocks:
    SIZE = 512
    COUNT = 64

    def __init__(self, data):
        self.data = data
        self.left = None

    def readblocks(self, block, buffer, offset=0):
        at = block * self.SIZE + offset
        buffer[:] = self.data[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        at = block * self.SIZE + offset
        if self.left == 0:
            half = len(buffer) // 2
            self.data[at : at + half] = bytes(buffer[:half])
        self._spend()
        self.data[at : at + len(buffer)] = bytes(buffer)

    def ioctl(self, op, block):
        if op == 4:
            return self.COUNT
        if op == 5:
            return self.SIZE
        if op == 6:
            self._spend()
            self.data[block * self.SIZE : (block + 1) * self.SIZE] = b"\xff" * self.SIZE
        return 0

    def _spend(self):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise CutError


KINDS = (Folder, LittleFs) if vfs else (Folder,)


def every_cut(modules, make, story, check, step=1):
    """Run `story(path, journal)` on flash that `make(path)` has filled, cut after every operation, and then
    `check(path, journal)`; how many cuts there were on each kind of flash. `journal`: what the story was promised.
    """
    counts = []
    for kind in KINDS:
        count, whole = 0, False
        while not whole:
            flash = kind(modules, make)
            try:
                flash.arm(count)
                journal = []
                try:
                    story(flash.path, journal)
                    whole = True
                except CutError:
                    pass
                flash.power_on()
                check(flash.path, journal)
            finally:
                flash.close()
            count += step
        counts.append(count)
    return counts
