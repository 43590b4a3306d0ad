"""Where file systems begin on a device or in its image: MBR (logical drives too), GPT, or none at all."""

import struct
from typing import BinaryIO, NamedTuple

SECTOR = 512
MAX_PARTITIONS = 128
EXT_MAGIC_AT = 1024 + 56
EXT_MAGIC = b"\x53\xef"
EXT_INCOMPATIBLE_AT = 1024 + 96
JOURNAL_TO_REPLAY = 0x0004  # EXT4_FEATURE_INCOMPAT_RECOVER
_EXTENDED = (0x05, 0x0F, 0x85)


class FileSystem(NamedTuple):
    """An ext2, 3 or 4 file system `offset` bytes from the start; `cut`: its power went, so its journal has news."""

    offset: int
    cut: bool


def file_systems(device: BinaryIO) -> list[FileSystem]:
    """The ext file systems there; those on a smashed partition table are not found."""
    found = []
    for offset in dict.fromkeys([0, *_starts(device)]):
        head = _read(device, offset, 2048)
        if head[EXT_MAGIC_AT : EXT_MAGIC_AT + 2] == EXT_MAGIC:
            (flags,) = struct.unpack_from("<I", head, EXT_INCOMPATIBLE_AT)
            found.append(FileSystem(offset, bool(flags & JOURNAL_TO_REPLAY)))
    return found


def _read(device: BinaryIO, offset: int, size: int) -> bytes:
    try:
        device.seek(offset)
        return device.read(size).ljust(size, b"\0")
    except OSError:  # a bad block
        return bytes(size)


def _starts(device: BinaryIO) -> list[int]:
    first = _read(device, 0, SECTOR)
    if first[510:] != b"\x55\xaa":
        return []
    rows = _rows(first)
    if any(kind == 0xEE for kind, _ in rows):
        return _gpt(device)
    starts = [start for kind, start in rows if kind not in _EXTENDED]
    for _, outer in (row for row in rows if row[0] in _EXTENDED):
        at = outer
        for _ in range(MAX_PARTITIONS):  # a damaged chain may be a ring
            logical = _rows(_read(device, at, SECTOR))
            starts += [at + start for kind, start in logical if kind not in _EXTENDED]
            further = [outer + start for kind, start in logical if kind in _EXTENDED]
            if not further:
                break
            at = further[0]
    return starts


def _rows(sector: bytes) -> list[tuple[int, int]]:
    """(type, first byte) of the four entries that are in use."""
    entries = [(sector[446 + 16 * i + 4], struct.unpack_from("<I", sector, 446 + 16 * i + 8)[0]) for i in range(4)]
    return [(kind, start * SECTOR) for kind, start in entries if kind and start]


def _gpt(device: BinaryIO) -> list[int]:
    head = _read(device, SECTOR, SECTOR)
    if head[:8] != b"EFI PART":
        return []
    at, count, size = struct.unpack_from("<QII", head, 72)
    if not 128 <= size <= 4096:
        return []
    starts = []
    for i in range(min(count, MAX_PARTITIONS)):
        entry = _read(device, at * SECTOR + i * size, 48)
        if entry[:16] != bytes(16):
            starts.append(struct.unpack_from("<Q", entry, 32)[0] * SECTOR)
    return starts
