"""The media folder: sealed bodies under their SHA-256, each either whole and durable or not there."""

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from trapkit.files import fsync_folder

INCOMING = "incoming"


class MediaFolder:
    """Bodies in up to 256 folders by the first byte of their digest; `incoming`: where one program alone writes them.

    Raises: OSError from the constructor.
    """

    def __init__(self, folder: Path, incoming: str = INCOMING) -> None:
        self._folder = folder
        self._incoming = folder / incoming
        self._incoming.mkdir(parents=True, exist_ok=True)
        fsync_folder(folder)
        fsync_folder(folder.parent)

    def recover(self) -> None:
        """Remove what a crash left half written. Only for the one who writes here."""
        for leftover in self._incoming.iterdir():
            with suppress(OSError):  # what cannot be removed is in nobody's way
                leftover.unlink()

    def path(self, sha256: bytes) -> Path:
        return path_in(self._folder, sha256)

    def put(self, bodies: Iterable[tuple[bytes, bytes]]) -> None:
        """Store (digest, body) pairs; all of them are on the disk when this returns.

        A file that holds these bytes is kept, a damaged one replaced. Its folder is synced again, for a crash may
        have come between file and name.  Raises: OSError; then some of them may be there, none of them half.
        """
        folders = set()
        fresh = []
        for sha256, body in dict(bodies).items():
            path = self.path(sha256)
            folders.add(path.parent)
            path.parent.mkdir(exist_ok=True)
            if self.read(sha256) is not None:
                continue
            temporary = self._incoming / path.name
            with temporary.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            fresh.append((temporary, path))
        for temporary, path in fresh:
            temporary.replace(path)
        for folder in sorted(folders):
            fsync_folder(folder)
        # A body's folder may be new, or left unsynced by a crash.
        fsync_folder(self._folder)

    def read(self, sha256: bytes) -> bytes | None:
        """The body, or None when it is missing or its digest is wrong."""
        return read_from(self._folder, sha256)


def path_in(folder: Path, sha256: bytes) -> Path:
    """Where a media folder keeps a body."""
    name = sha256.hex()
    return folder / name[:2] / name


def read_from(folder: Path, sha256: bytes) -> bytes | None:
    """A body of a media folder that somebody else writes, or None when it is missing or its digest is wrong."""
    try:
        body = path_in(folder, sha256).read_bytes()
    except OSError:
        return None
    return body if hashlib.sha256(body).digest() == sha256 else None


def body_of(folder: Path, sha256: bytes, body: bytes | None) -> bytes | None:
    """The bytes of an object wherever they lie: `body`, from its row, or else its file in the media folder at `folder`;
    None when they are missing or their digest is wrong. For one that was given up for room nobody may ask."""
    if body is None:
        return read_from(folder, sha256)
    return body if hashlib.sha256(body).digest() == sha256 else None
