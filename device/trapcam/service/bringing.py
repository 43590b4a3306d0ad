"""A release that a ranger's phone brings: one tar, streamed onto the card and laid out as a source for the updater.

Nothing of it is believed here: who reads it proves every byte (`trapkit.update`). What is here already stays until the
new one is whole, and is then replaced by one rename. Names are those of a release's files alone; no other is written.
"""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from starlette.requests import ClientDisconnect, Request

from trapcam.service.words import N_
from trapkit.errors import StorageError
from trapkit.files import FULL, fsync_folder
from trapkit.formdata import FormError, FormReader, boundary_of
from trapkit.tarball import NotATarError, members

BROUGHT = "brought"
MAX_BYTES = 256 << 20  # of one release with all its parts, several times what ours have
MAX_FILES = 2_000
KEEP_FREE_BYTES = 64 << 20  # on the card, for what the trap sees meanwhile
SILENT_S = 60.0
COPY_BYTES = 1 << 20
NAMES = re.compile(
    r"metadata/(timestamp|[1-9][0-9]{0,8}\.(root|snapshot|targets))\.json"
    r"|targets/([a-z0-9][a-z0-9.]{0,15}/){0,3}[0-9a-f]{64}\.[A-Za-z0-9][A-Za-z0-9._+-]{0,150}"
    r"|permits/[1-9][0-9]{0,4}\.permit"
)


class RefusedError(Exception):
    """Why nothing was taken, as a message of the catalogues."""


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What came: how many files of how many bytes; allowed: the base's permission for this trap is among them."""

    files: int
    size: int
    allowed: bool


class Bringer:
    """Takes one file at a time into `folder`; trap: whose permission is looked for."""

    def __init__(self, folder: Path, trap: int) -> None:
        self._folder = folder
        self._trap = trap
        self._busy = False

    async def take(self, request: Request) -> Brought:
        """The release in the form's file.  Raises: RefusedError; StorageError when the card takes nothing."""
        if self._busy:
            raise RefusedError(N_("Another file is being taken. Wait until it is through."))
        self._busy = True
        part = self._folder / "brought.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                await self._receive(request, part)
                return await asyncio.to_thread(self._lay_out, part)
            finally:
                with suppress(OSError):
                    part.unlink()
        except (ClientDisconnect, TimeoutError, FormError) as error:
            raise RefusedError(N_("The file did not come whole. Send it again.")) from error
        except OSError as error:
            if error.errno in FULL:
                raise RefusedError(N_("The card has no room for it.")) from error
            raise StorageError(f"{self._folder}: {error.strerror}") from error
        finally:
            self._busy = False

    async def _receive(self, request: Request, part: Path) -> None:
        """The first file of the form; the rest of it is heard and let go."""
        stream: AsyncIterator[bytes] = request.stream()
        reader = FormReader(boundary_of(request.headers.get("content-type", "")))
        came, took = 0, False
        with part.open("wb") as file:
            writing = False
            while not reader.done:
                data = await asyncio.wait_for(anext(stream, b""), SILENT_S)
                if not data:
                    raise FormError("ends before its end")
                came += len(data)
                if came > MAX_BYTES:
                    raise RefusedError(N_("This file is too large for a release."))
                if came % COPY_BYTES < len(data):
                    self._check_room()
                for what, piece in reader.feed(data):
                    if what == "file":
                        writing = not took
                        took = True
                    elif what == "data" and writing:
                        file.write(piece)
                    elif what == "end":
                        writing = False
        if not took:
            raise RefusedError(N_("No file was chosen."))

    def _check_room(self) -> None:
        if shutil.disk_usage(self._folder).free < KEEP_FREE_BYTES:
            raise RefusedError(N_("The card has no room for it."))

    def _lay_out(self, part: Path) -> Brought:
        """In a thread: members with a release's names, into a folder that takes the old one's place."""
        new, old, place = (self._folder / name for name in ("brought.new", "brought.old", BROUGHT))
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
        self._check_room()
        count = size = 0
        with part.open("rb") as file:
            try:
                for member in members(file, part.stat().st_size):
                    if member.refusal or count >= MAX_FILES or not NAMES.fullmatch(member.name):
                        raise RefusedError(N_("This file holds something that belongs to no release, or is cut off."))
                    _copy(file, member.start, member.size, new / member.name)
                    count, size = count + 1, size + member.size
            except NotATarError as error:
                raise RefusedError(N_("This is no release's file. The base's page has it under “Updates”.")) from error
        if not (new / "metadata" / "timestamp.json").is_file():
            shutil.rmtree(new, ignore_errors=True)
            raise RefusedError(N_("This is no release's file. The base's page has it under “Updates”."))
        fsync_folder(new)
        if place.exists():
            place.rename(old)
        new.rename(place)
        fsync_folder(self._folder)
        shutil.rmtree(old, ignore_errors=True)
        return Brought(files=count, size=size, allowed=(place / "permits" / f"{self._trap}.permit").is_file())


def _copy(file: IO[bytes], start: int, size: int, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    at = file.tell()
    file.seek(start)
    with place.open("wb") as out:
        left = size
        while left > 0 and (data := file.read(min(COPY_BYTES, left))):
            out.write(data)
            left -= len(data)
        out.flush()
        os.fsync(out.fileno())
    file.seek(at)
