"""What a back end checks of a package before it signs: every object's bytes are there and are what they should be.

Written from BACKEND.md and not with the base's own code, so that the two prove each other.
"""

import csv
import hashlib
import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from trapwire.errors import WireError
from trapwire.objects import ALERT, RUNG_BY_NAME, ObjectKey
from trapwire.receipt import MAX_OBJECTS

MAX_FILES = 8192
MAX_FILE_BYTES = 32 * 1024 * 1024  # one sealed full frame has at most 16 MiB
MAX_TABLE_BYTES = 4 * 1024 * 1024
MAX_ROWS = 4096
REQUIRED = ("datapackage.json", "deployments.csv", "media.csv", "observations.csv", "objects.csv")

# What zipfile raises on damaged files, as found by flipping bits.
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, NotImplementedError, RuntimeError,
    UnicodeDecodeError, OverflowError,
)  # fmt: skip

Identity = tuple[int, int, int, int, bytes]  # trap, epoch, number, rung, SHA-256 of the sealed bytes


class BadPackageError(Exception):
    """The package is not what it says; the message tells the sender why it was refused."""


def read_package(path: Path, batch_id: str) -> list[Identity]:
    """The objects in a package, sorted, every digest checked.  Raises: BadPackageError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, batch_id)
    except UNREADABLE as error:
        raise BadPackageError(f"it is not a zip that can be read: {error}") from error
    except (csv.Error, ValueError, KeyError, TypeError) as error:  # WireError is a ValueError
        raise BadPackageError(f"objects.csv: {type(error).__name__}: {error}") from error


def _read(archive: zipfile.ZipFile, batch_id: str) -> list[Identity]:
    names = archive.namelist()
    if len(names) > MAX_FILES or len(set(names)) != len(names):
        raise BadPackageError(f"{len(names)} files, allowed are {MAX_FILES}, each once")
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise BadPackageError(f"{missing[0]} is missing")
    text = _member(archive, "objects.csv", MAX_TABLE_BYTES).decode()
    identities = []
    for number, row in enumerate(csv.DictReader(io.StringIO(text))):
        if number >= MAX_ROWS:
            raise BadPackageError(f"objects.csv has over {MAX_ROWS} rows")
        identities.append(_check_row(archive, row))
    identities.sort()
    if not identities or len({i[:4] for i in identities}) != len(identities):
        raise BadPackageError("objects.csv is empty, or names an object twice")
    for outbox in {i[:2] for i in identities}:
        if sum(i[:2] == outbox for i in identities) > MAX_OBJECTS:
            raise BadPackageError(f"over {MAX_OBJECTS} objects of trap {outbox[0]}: no receipt can name them all")
    if batch_name(identities) != batch_id:
        raise BadPackageError("the batch id is not that of its objects")
    return identities


def batch_name(identities: list[Identity]) -> str:
    """The content address of a batch (BACKEND.md, "Batch id")."""
    digest = hashlib.sha256(b"pugmark-batch-1\x00")
    for trap, epoch, number, rung, sha256 in sorted(identities):
        digest.update(struct.pack(">HIIB", trap, epoch, number, rung) + sha256)
    return digest.hexdigest()


def _check_row(archive: zipfile.ZipFile, row: dict[str, str]) -> Identity:
    rung = RUNG_BY_NAME[row["rung"]]
    key = ObjectKey(int(row["trap"]), int(row["epoch"]), int(row["number"]), rung)
    sha256 = bytes.fromhex(row["sha256"])
    if len(sha256) != 32:
        raise WireError(f"digest of {len(sha256)} bytes")
    sealed = bytes.fromhex(row["bodyHex"]) if rung == ALERT else _member(archive, row["sealedPath"], MAX_FILE_BYTES)
    if hashlib.sha256(sealed).digest() != sha256:
        raise BadPackageError(f"{key!r}: its bytes do not match its digest")
    if row["mediaPath"]:
        opened = _member(archive, row["mediaPath"], MAX_FILE_BYTES)
        if hashlib.sha256(opened).hexdigest() != row["mediaSha256"]:
            raise BadPackageError(f"{row['mediaPath']}: its bytes do not match its digest")
    return (*key.as_tuple(), sha256)


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    file: IO[bytes]
    with archive.open(name) as file:
        data = file.read(limit + 1)  # never trust the size that a zip says of itself
    if len(data) > limit:
        raise BadPackageError(f"{name} is over {limit} bytes")
    return data
