"""One who changes a repository at a time: two who publish at once would both number the same version.

The kernel keeps the lock and drops it with its process, however that ends; the file's text only says who has it. Two
copies of a repository on two machines know nothing of each other: publish from one.
"""

import errno
import fcntl
import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from trapkit.errors import SetupError

LOCK = "trapship.lock"  # in the repository's folder; no mirror takes it
MAX_TEXT = 300


@contextmanager
def held(folder: Path, what: str, *, make: bool = False) -> Iterator[None]:
    """Hold `folder` while a command (`what`) changes it; make: where it is missing, else there is nothing to hold.

    Raises: SetupError naming who holds it, since when, and what for; OSError.
    """
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        yield  # whoever reads there says that this is no repository
        return
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise SetupError(
                    f"{folder}: lies where files cannot be locked ({error.strerror}); copy it onto a disk, or a stick"
                ) from error
            file.seek(0)
            holder = "".join(c for c in file.read(MAX_TEXT).strip() if c.isprintable()) or "somebody"
            raise SetupError(
                f"{folder}: is being changed by {holder}; wait until that is done, then say this again"
            ) from error
        with suppress(OSError):  # a full disk: the lock holds, only its holder has no name
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), _holder(what).encode())
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(file.fileno(), 0)


def _holder(what: str) -> str:
    try:
        who = getpass.getuser()
    except (OSError, KeyError):  # a number without a name
        who = f"user {os.getuid()}"
    now = datetime.now(UTC)
    return f"`trapship {what}` ({who} on {socket.gethostname()}, process {os.getpid()}, since {now:%Y-%m-%d %H:%M} UTC)"
