"""Sealed bodies from one media folder into another: linked where one disk holds both, else copied; all verified."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from trapbase.media import path_in
from trapkit.errors import StorageError
from trapkit.files import fsync_folder, refusal

TAKEN, THERE, MISSING, DAMAGED = "taken", "there", "missing", "damaged"


class Bodies:
    """Into the media folder at `target`; `link`: files of the same disk are linked: a body never changes."""

    def __init__(self, target: Path, *, link: bool = True) -> None:
        self._target = target
        self._link = link
        self._touched: set[Path] = set()

    def take(self, source: Path, sha256: bytes, size: int) -> str:
        """One body from the media folder at `source`: `TAKEN`, `THERE` before, or `MISSING`, `DAMAGED` in the source.

        Durable after `sync`.  Raises: StorageError when the target refuses.
        """
        path = path_in(self._target, sha256)
        with suppress(OSError):
            if path.stat().st_size == size:
                return THERE
        origin = path_in(source, sha256)
        try:
            body = origin.read_bytes()
        except FileNotFoundError:
            return MISSING
        except OSError:
            return DAMAGED
        if hashlib.sha256(body).digest() != sha256:
            return DAMAGED
        try:
            self._put(origin, path, body)
        except OSError as error:
            raise StorageError(f"media: {refusal(self._target, error)}") from error
        return TAKEN

    def _put(self, origin: Path, path: Path, body: bytes) -> None:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, mode=0o700)
            self._touched.add(path.parent.parent)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.unlink(missing_ok=True)
        linked = False
        if self._link:
            with suppress(OSError):  # another disk, or one without links
                os.link(origin, temporary)
                linked = True
        if not linked:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        self._touched.add(path.parent)

    def sync(self) -> None:
        """Make the names durable.  Raises: StorageError."""
        try:
            for folder in sorted(self._touched):
                fsync_folder(folder)
        except OSError as error:
            raise StorageError(f"media: {refusal(self._target, error)}") from error
        self._touched.clear()
