"""ZIP files of a release into a folder, bounded, and nothing outside of it; a file at a time.

A wheel is such a file (PEP 427). It is unpacked as it is: no scripts, no headers, no entry points; what imports it puts
the folder in front of Python's path. `zipfile.extractall` knows no bounds.
"""

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MAX_FILES = 2_000  # our wheel has some 400
MAX_BYTES = 256 << 20  # with every third-party wheel 120 MB
MAX_NAME = 200
CHUNK = 1 << 16


class BadArchiveError(Exception):
    """A file that is no archive of a release; the message names it and what is wrong."""


def members(path: Path) -> list[zipfile.ZipInfo]:
    """The files in an archive, all of them checked before the first is written.  Raises: BadArchiveError, OSError."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = [entry for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise BadArchiveError(f"{path.name}: is no ZIP file: {error}") from error
    if len(found) > MAX_FILES or sum(entry.file_size for entry in found) > MAX_BYTES:
        raise BadArchiveError(f"{path.name}: more than {MAX_FILES} files or {MAX_BYTES >> 20} MB")
    seen: set[str] = set()
    for entry in found:
        trouble = _trouble(entry)
        if entry.filename.lower() in seen:
            trouble = "is there twice"
        if trouble:
            raise BadArchiveError(f"{path.name}: {entry.filename[:MAX_NAME]!r} {trouble}")
        seen.add(entry.filename.lower())
    files = {PurePosixPath(name) for name in seen}
    for name in files:
        if any(parent in files for parent in name.parents):
            raise BadArchiveError(f"{path.name}: {str(name)!r} lies in a file")
    return found


def contents(path: Path, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """A file's bytes in pieces, never more than its entry says.  Raises: BadArchiveError, OSError."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(entry) as file:
            left = entry.file_size
            while left > 0:
                piece = file.read(min(CHUNK, left))
                if not piece:
                    raise BadArchiveError(f"{path.name}: {entry.filename!r} is cut short")
                left -= len(piece)
                yield piece
            file.read(1)  # at the end the check sum is compared
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise BadArchiveError(f"{path.name}: {entry.filename!r}: {error}") from error
    except Exception as error:  # zlib's, bz2's and lzma's own
        if isinstance(error, BadArchiveError | OSError):
            raise
        raise BadArchiveError(
            f"{path.name}: {entry.filename!r} is damaged: {error}"
        ) from error  # zlib's, bz2's, lzma's own


def _trouble(entry: zipfile.ZipInfo) -> str:
    name = entry.filename
    if not 0 < len(name) <= MAX_NAME or "\\" in name or "\x00" in name or ":" in name:
        return "is no name of a file here"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "leads out of its folder"
    if not name.isprintable() or name.startswith(".") or "/." in name:
        return "is hidden or cannot be printed"
    if entry.flag_bits & 1:
        return "is encrypted"
    kind = entry.external_attr >> 16
    if kind and not stat.S_ISREG(kind) and stat.S_IFMT(kind):
        return "is no plain file"
    return ""
