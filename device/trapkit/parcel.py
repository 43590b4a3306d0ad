"""A parcel: the objects of one trap and epoch in a folder on a stick (basestation/PARCEL.md). Names and index, no IO.

`pugmark/TRAP-EPOCH/` holds an object's envelope a file, `NUMBER-RUNG.obj`, each whole or not there, and `parcel.json`,
which says what should be there. FAT knows these names too; as it does not tell capitals apart, there are none.
"""

import re
from typing import Annotated

import msgspec

from trapwire.objects import RUNG_BY_NAME, RUNG_NAMES

FOLDER = "pugmark"
INDEX = "parcel.json"
SUFFIX = ".obj"
VERSION = 1
MAX_INDEX_BYTES = 64 * 1024 * 1024  # some hundred thousand objects
PARCEL = re.compile(r"([1-9]\d{0,4})-([0-9a-f]{8})")
FILE = re.compile(r"(0|[1-9]\d{0,7})-([a-z0-9-]{1,12})\.obj")

Name = Annotated[str, msgspec.Meta(pattern=rf"^{FILE.pattern}$")]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An object: its file, and bytes and SHA-256 of its sealed body."""

    file: Name
    bytes: Annotated[int, msgspec.Meta(ge=0, le=1 << 32)]
    sha256: Digest


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What a parcel should hold; `parcel` tells sticks apart, `written_ms` is the trap's own time (Unix ms)."""

    version: Annotated[int, msgspec.Meta(ge=1, le=VERSION)] = VERSION
    trap: Annotated[int, msgspec.Meta(ge=1, le=0xFFFF)]
    epoch: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}$")]
    parcel: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}$")]
    written_ms: int
    objects: tuple[Entry, ...] = ()


def folder_name(trap: int, epoch: int) -> str:
    return f"{trap}-{epoch:08x}"


def file_name(number: int, rung: int) -> str:
    return f"{number}-{RUNG_NAMES[rung]}{SUFFIX}"


def is_file_name(name: str) -> bool:
    """Whether a file's name says that it holds an object."""
    found = FILE.fullmatch(name)
    return found is not None and found[2] in RUNG_BY_NAME


def is_index(name: str) -> bool:
    """Whether a file's name says that it is an index; phones add to names: `parcel (1).json`."""
    return re.fullmatch(r"parcel[^/]{0,8}\.json", name) is not None


def encode_index(index: Index) -> bytes:
    """The file's bytes: JSON, an object a line."""
    return msgspec.json.format(msgspec.json.encode(index), indent=1) + b"\n"


def decode_index(data: bytes) -> Index | None:
    """What the index says; None where it is damaged or of a newer version: the objects speak for themselves."""
    try:
        return msgspec.json.decode(data, type=Index)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
