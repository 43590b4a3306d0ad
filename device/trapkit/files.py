"""Files that are either the old ones or the new ones, never half of each."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from trapkit.errors import SetupError

# What the kernel says when there is no more room: on the card, in a quota, for one file.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MAKE_ROOM = "make room there; it goes on by itself"


def refusal(path: Path, error: OSError) -> str:
    """The words for a disk that refused: which file or folder, why, and what to do."""
    advice = {errno.EROFS: "mount it writable again, or replace the card", errno.EIO: "replace the card or disk"}
    advice |= dict.fromkeys((errno.EACCES, errno.EPERM), "give this program's user the right to write there")
    advice |= dict.fromkeys(FULL, MAKE_ROOM)
    todo = advice.get(error.errno or 0, "")
    return f"{path}: {error.strerror or error}" + (f": {todo}" if todo else "")


def fsync_folder(folder: Path) -> None:
    """Make the folder's entries durable: a renamed file is safe only after this."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make `folder`, and those that it lies in where they are missing; its name is durable when this returns.

    What is written and synced in a folder is gone after a power cut, if the folder's own name is.  Raises: OSError.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    # Also where it was there: a crash may have come between the name and its sync.
    for each in {folder, *missing}:
        with suppress(PermissionError):  # a folder in which another user made ours: he has seen to it
            fsync_folder(each.parent)


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write `data` to a temporary name, fsync, replace `path`, fsync the folder.

    Raises: OSError (disk full, read-only) that names `path`; then `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        error.filename, error.filename2 = str(path), None  # a write does not say where, and nobody knows the other name
        raise
    fsync_folder(path.parent)


def give_to_owner(path: Path) -> None:
    """Where root wrote it: whose the folder is shall own the file too, or the program there could not change it.

    Raises: OSError.
    """
    if os.geteuid() != 0:
        return
    folder = path.parent.stat()
    os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


def read_back(path: Path) -> bytes:
    """A file's bytes, from the disk itself as far as the kernel obeys, and not from memory.  Raises: OSError."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return file.read()


def write_and_read_back(path: Path, data: bytes) -> None:
    """Write `data` as `write_atomically` does, to a stick say, and compare what it holds.  Raises: OSError."""
    write_atomically(path, data)
    if read_back(path) != data:
        raise OSError(f"{path}: was read back other than it was written; take another stick")


def lock_folder(folder: Path, program: str) -> IO[str]:
    """Hold `folder` for one copy of `program`; keep the returned file open for as long as it runs.

    The kernel drops the lock with the process, however it ends. A new folder is for its owner alone: what lies there is
    where animals are. One that is there keeps its mode.  Raises: SetupError when another copy holds it.
    """
    make_folder(folder, 0o700)
    path = folder / f"{program}.lock"
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read(20).strip() or "unknown"
        file.close()
        raise SetupError(
            f"{folder}: another {program} (process {holder}) is running on this data; stop it first"
        ) from error
    with suppress(OSError):  # a full disk: the lock holds, only its holder has no name
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), str(os.getpid()).encode())
    return file
