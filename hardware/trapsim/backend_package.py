"""What a back end checks of a package before it signs: every object's bytes are there and are what they should be.

Written from BACKEND.md and not with the base's own code, so that the two prove each other.
"""

import csv
import hashlib
import io
import struct
import zipfile
from collections import Counter
from itertools import islice
from pathlib import Path

from trapwire.errors import WireError
from trapwire.objects import ALERT, NOTE, RUNG_BY_NAME, ObjectKey
from trapwire.receipt import MAX_OBJECTS

MAX_FILES = 8192
MAX_FILE_BYTES = 32 * 1024 * 1024  # one sealed full frame has at most 16 MiB
MAX_OPENED_BYTES = 128 * 1024 * 1024  # all files together, unpacked: twice the largest upload
MAX_TABLE_BYTES = 4 * 1024 * 1024
MAX_ROWS = 4096
MAX_DIRECTORY_BYTES = 1024 * 1024  # the zip's own list of its files: ~90 bytes each
END = struct.Struct("<4s4H2LH")  # end of central directory record (APPNOTE 4.3.16), without a comment
REQUIRED = ("datapackage.json", "deployments.csv", "media.csv", "observations.csv", "objects.csv")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

Identity = tuple[int, int, int, int, bytes]  # trap, epoch, number, rung, SHA-256 of the sealed bytes


class BadPackageError(Exception):
    """The package is not what it says; the message tells the sender why it was refused."""


def read_package(path: Path, batch_id: str) -> list[Identity]:
    """The objects in a package, sorted, every digest checked.  Raises: BadPackageError, and nothing else."""
    try:
        _check_end(path)
        with zipfile.ZipFile(path) as archive:
            return _read(_Members(archive), batch_id)
    except BadPackageError:
        raise
    except (csv.Error, ValueError, KeyError, TypeError) as error:  # WireError is a ValueError
        raise BadPackageError(f"objects.csv: {type(error).__name__}: {error}") from error
    except Exception as error:
        # Whatever zipfile meets in a hostile file: were it let out, each restart would meet it again.
        raise BadPackageError(f"it is not a zip that can be read: {type(error).__name__}: {error}") from error


def read_rows(path: Path, table: str) -> list[dict[str, str]]:
    """The rows of a table of a package that was read, none where it cannot be: nothing in custody depends on it."""
    try:
        _check_end(path)
        with zipfile.ZipFile(path) as archive:
            text = _Members(archive).read(table, MAX_TABLE_BYTES).decode()
        return [row for row in islice(csv.DictReader(io.StringIO(text)), MAX_ROWS) if None not in row.values()]
    except Exception:
        return []


def _check_end(path: Path) -> None:
    """Refuse a zip that lists too much, before zipfile makes an object of each entry."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        # With the place where a ZIP64 locator would be: its sizes would replace the ones that are checked here.
        file.seek(max(0, size - END.size - 20))
        tail = file.read()
    end = tail[-END.size :]
    if len(end) < END.size or end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise BadPackageError("it is not a zip that can be read: it does not end as one without a comment")
    _, _, _, _, count, listed_bytes, _, _ = END.unpack(end)
    if count > MAX_FILES or listed_bytes > MAX_DIRECTORY_BYTES or tail[:4] == b"PK\6\7":
        raise BadPackageError(f"{count} files, allowed are {MAX_FILES}, in a list of {MAX_DIRECTORY_BYTES} bytes")


class _Members:
    """The files of a zip, within bounds: whatever it says of itself, each is unpacked at most once."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._digests: dict[str, bytes] = {}
        self._left = MAX_OPENED_BYTES
        self.names = archive.namelist()
        if len(self.names) > MAX_FILES or len(set(self.names)) != len(self.names):
            raise BadPackageError(f"{len(self.names)} files, allowed are {MAX_FILES}, each once")
        for info in archive.infolist():
            if info.compress_type not in METHODS:
                raise BadPackageError(f"{info.filename[:80]} is packed by another method than stored or deflated")

    def read(self, name: str, limit: int) -> bytes:
        with self._archive.open(name) as file:
            data = file.read(min(limit, self._left) + 1)
        if len(data) > limit:
            raise BadPackageError(f"{name} is over {limit} bytes")
        self._left -= len(data)
        if self._left < 0:
            raise BadPackageError(f"its files are over {MAX_OPENED_BYTES} bytes")
        return data

    def digest(self, name: str) -> bytes:
        """SHA-256 of a file."""
        if name not in self._digests:
            self._digests[name] = hashlib.sha256(self.read(name, MAX_FILE_BYTES)).digest()
        return self._digests[name]


def _read(members: _Members, batch_id: str) -> list[Identity]:
    missing = [name for name in REQUIRED if name not in members.names]
    if missing:
        raise BadPackageError(f"{missing[0]} is missing")
    text = members.read("objects.csv", MAX_TABLE_BYTES).decode()
    rows = list(islice(csv.DictReader(io.StringIO(text)), MAX_ROWS + 1))
    if len(rows) > MAX_ROWS:
        raise BadPackageError(f"objects.csv has over {MAX_ROWS} rows")
    # What is cheap first: no file is unpacked for a package that would be refused anyway.
    named = [(_identity(row), row) for row in rows]
    identities = sorted(identity for identity, _ in named)
    if not identities or len({i[:4] for i in identities}) != len(identities):
        raise BadPackageError("objects.csv is empty, or names an object twice")
    for (trap, _), count in Counter(i[:2] for i in identities).items():
        if count > MAX_OBJECTS:
            raise BadPackageError(f"over {MAX_OBJECTS} objects of trap {trap}: no receipt can name them all")
    if batch_name(identities) != batch_id:
        raise BadPackageError("the batch id is not that of its objects")
    for identity, row in named:
        _check_bytes(members, identity, row)
    return identities


def batch_name(identities: list[Identity]) -> str:
    """The content address of a batch (BACKEND.md, "Batch id")."""
    digest = hashlib.sha256(b"pugmark-batch-1\x00")
    for trap, epoch, number, rung, sha256 in sorted(identities):
        digest.update(struct.pack(">HIIB", trap, epoch, number, rung) + sha256)
    return digest.hexdigest()


def _identity(row: dict[str, str]) -> Identity:
    key = ObjectKey(int(row["trap"]), int(row["epoch"]), int(row["number"]), RUNG_BY_NAME[row["rung"]])
    sha256 = bytes.fromhex(row["sha256"])
    if len(sha256) != 32:
        raise WireError(f"digest of {len(sha256)} bytes")
    return (*key.as_tuple(), sha256)


def _check_bytes(members: _Members, identity: Identity, row: dict[str, str]) -> None:
    rung, sha256 = identity[3:]
    if rung in (ALERT, NOTE):
        held = hashlib.sha256(bytes.fromhex(row["bodyHex"])).digest()
    else:
        held = members.digest(row["sealedPath"])
    if held != sha256:
        raise BadPackageError(f"{ObjectKey(*identity[:4])!r}: its bytes do not match its digest")
    if row["mediaPath"] and members.digest(row["mediaPath"]).hex() != row["mediaSha256"]:
        raise BadPackageError(f"{row['mediaPath']}: its bytes do not match its digest")
