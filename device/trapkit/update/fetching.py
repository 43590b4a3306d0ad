"""A signed file from a source onto the disk: bounded, timed, gone on with where it broke off, and proved before use.

FOLDER/SHA256.part     what has come so far, from whichever source
FOLDER/SHA256          whole and proved
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from trapkit.files import FULL, fsync_folder
from trapkit.update.sources import Pace, Source, TooSlow
from trapkit.update.trouble import trouble
from trapkit.update.wanted import Wanted

ROOM_BYTES = 16 << 20  # that stay free: alerts and crops are written while this goes on
SYNC_BYTES = 4 << 20  # what a power cut may cost


def small(source: Source, wanted: Wanted, most_bytes: int, pace: Pace) -> bytes:
    """A list, in memory.  Raises: Refused."""
    if wanted.length > most_bytes:
        raise trouble("too-large", f"{wanted.name}: {wanted.length} bytes, allowed are {most_bytes}")
    data = b"".join(_counted(source, wanted, 0, pace))
    if hashlib.sha256(data).hexdigest() != wanted.sha256:
        short = len(data) < wanted.length
        raise trouble("incomplete" if short else "altered", wanted.name)
    return data


def fetch_file(source: Source, wanted: Wanted, folder: Path, pace: Pace) -> Path:
    """The file, whole and proved, in `folder`.

    Raises: Refused; Waits when it broke off (what came is kept), came too slowly, or the disk is full; OSError.
    """
    whole, part = folder / wanted.sha256, folder / f"{wanted.sha256}.part"
    if whole.exists():
        if _is(whole, wanted):
            return whole
        whole.unlink()  # the card gave back something else
    resumed = part.exists() and part.stat().st_size > 0
    _go_on(source, wanted, part, pace)
    if not _is(part, wanted):
        part.unlink()
        if not resumed:
            raise trouble("altered", wanted.name)
        _go_on(source, wanted, part, pace)  # the first half may have come from another source, or from a bad one
        if not _is(part, wanted):
            part.unlink()
            raise trouble("altered", wanted.name)
    part.rename(whole)
    fsync_folder(folder)
    return whole


def room(folder: Path, files: Iterable[Wanted]) -> None:
    """Whether what is missing of these has room.  Raises: Waits."""
    missing = sum(
        each.length - _size(folder / f"{each.sha256}.part") for each in files if not (folder / each.sha256).exists()
    )
    free = shutil.disk_usage(folder).free
    if missing and free < missing + ROOM_BYTES:
        raise trouble(
            "no-room", f"{missing >> 20} MB and {ROOM_BYTES >> 20} MB besides are needed, {free >> 20} are free"
        )


def tidy(folder: Path, keep: Iterable[Wanted]) -> None:
    """Take away what belongs to none of these files."""
    stay = {each.sha256 for each in keep}
    for path in folder.iterdir():
        if path.name.removesuffix(".part") not in stay:
            path.unlink(missing_ok=True)


def _go_on(source: Source, wanted: Wanted, part: Path, pace: Pace) -> None:
    start = _size(part)
    if start > wanted.length:
        part.unlink()
        start = 0
    if start == wanted.length:
        return
    try:
        with part.open("ab") as file:
            since_sync = 0
            try:
                for chunk in _counted(source, wanted, start, pace):
                    file.write(chunk)
                    since_sync += len(chunk)
                    if since_sync >= SYNC_BYTES:
                        file.flush()
                        os.fsync(file.fileno())
                        since_sync = 0
            finally:
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        if error.errno in FULL:
            raise trouble("no-room", f"{part.parent}: {error.strerror}") from error
        raise
    if _size(part) < wanted.length:
        raise trouble("incomplete", f"{wanted.name}: {_size(part)} of {wanted.length} bytes")


def _counted(source: Source, wanted: Wanted, start: int, pace: Pace) -> Iterator[bytes]:
    """The source's bytes, no more than were announced; its troubles in our words.  Raises: Refused."""
    pace.next_file()
    came = start
    try:
        for chunk in source.fetch(wanted.path, wanted.length, start):
            pace.came(len(chunk))
            came += len(chunk)
            if came > wanted.length:
                raise trouble("too-large", f"{wanted.name}: more than {wanted.length} bytes")
            yield chunk
    except TooSlow as error:
        raise trouble("too-slow", f"{wanted.name}: {error}") from error
    except FileNotFoundError as error:
        raise trouble("incomplete", f"{wanted.name} is not there") from error
    except OSError as error:
        raise trouble("incomplete", f"{wanted.name}: {error}") from error


def _is(path: Path, wanted: Wanted) -> bool:
    with path.open("rb") as file:
        return _size(path) == wanted.length and hashlib.file_digest(file, "sha256").hexdigest() == wanted.sha256


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
