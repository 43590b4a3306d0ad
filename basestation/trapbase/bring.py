"""“Bring parcels”: the page's form for what phones and sticks bring. One upload at a time, streamed to the disk and
taken by the same code as `trapbase import`; each file lies here only until it is taken.

Who can reach the page can bring objects, as who holds a stick can (PARCEL.md): what came first stays, and no receipt
will match what somebody made up.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from trapbase.config import Settings
from trapbase.formdata import FormError, FormReader, boundary_of
from trapbase.parcels import Imported, import_file
from trapbase.store import Store
from trapkit.errors import SetupError, StorageError
from trapkit.files import FULL, refusal

FOLDER = "upload"  # in the base's folder
INCOMING = "incoming-upload"  # a running ingest has its own
SILENT_S = 60.0  # a phone that says nothing for as long has left
KEEP_FREE_BYTES = 512 * 1024 * 1024  # on the disk, for what the traps send meanwhile
CHECK_EVERY_BYTES = 8 * 1024 * 1024


class Bringer:
    """Takes uploads into the base's store."""

    def __init__(self, settings: Settings) -> None:
        self._base = Path(settings.folder)
        self._unit_keys = Path(settings.unit_keys)
        self._most_bytes = settings.page.upload_mb << 20
        self._busy = False

    def recover(self) -> None:
        """Remove what a page that was ended left; only for the one page of this base."""
        for path in (self._base / FOLDER).glob("*.part"):
            with suppress(OSError):
                path.unlink()

    async def take(self, request: Request) -> list[Imported]:
        """Everything in one form, file by file.

        Raises: HTTPException, in words; files that came before are taken and stay.
        """
        check_origin(request)
        if int(request.headers.get("content-length") or 0) > self._most_bytes:
            raise HTTPException(413, self._too_much())
        if self._busy:
            raise HTTPException(409, "another upload is being taken; bring this one when it is through")
        self._busy = True
        try:
            reader = FormReader(boundary_of(request.headers.get("content-type", "")))
            return await self._files(request.stream(), reader)
        except ClientDisconnect as error:
            raise HTTPException(400, "the phone left; what is taken stays, bring the rest again") from error
        except FormError as error:
            raise HTTPException(400, f"what came {error}") from error
        except TimeoutError as error:
            raise HTTPException(
                408, f"nothing came for {SILENT_S:.0f} s; what is taken stays, bring the rest again"
            ) from error
        except StorageError as error:
            raise HTTPException(507, str(error)) from error
        except OSError as error:
            code = 507 if error.errno in FULL else 500
            raise HTTPException(code, refusal(self._base / FOLDER, error)) from error
        finally:
            self._busy = False

    async def _files(self, stream: AsyncIterator[bytes], reader: FormReader) -> list[Imported]:
        done: list[Imported] = []
        name, came, checked = "", 0, -CHECK_EVERY_BYTES
        path = self._base / FOLDER / "one.part"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        file: IO[bytes] | None = None
        try:
            while not reader.done:
                data = await asyncio.wait_for(anext(stream, b""), SILENT_S)
                if not data:
                    raise FormError("ends before its end: the phone left, or the form is none; bring it again")
                came += len(data)
                if came > self._most_bytes:
                    raise HTTPException(413, self._too_much())
                if came - checked >= CHECK_EVERY_BYTES:
                    self._check_room()
                    checked = came
                for what, part in reader.feed(data):
                    if what == "file":
                        name, file = _name(part), path.open("wb")
                    elif file is None:
                        continue
                    elif what == "data":
                        file.write(part)
                    else:
                        file.close()
                        done.append(await asyncio.to_thread(self._import, path, name))
                        path.unlink()
                        file = None
            return done
        finally:
            if file is not None:
                file.close()
            with suppress(OSError):
                path.unlink()

    def _import(self, path: Path, name: str) -> Imported:
        """In a thread of its own."""
        try:
            with closing(Store(self._base, self._unit_keys, incoming=INCOMING)) as store:
                return import_file(store, path, name, time.time_ns() // 1_000_000, lambda parcel, objects: None)
        except SetupError as error:
            raise StorageError(str(error)) from error

    def _check_room(self) -> None:
        disk = os.statvfs(self._base)
        if disk.f_bavail * disk.f_frsize < KEEP_FREE_BYTES:
            raise HTTPException(507, "this base's disk is nearly full: make room there, and bring it again")

    def _too_much(self) -> str:
        return f"more than {self._most_bytes >> 20} MiB at once: bring fewer files, or raise page.upload_mb"


def check_origin(request: Request) -> None:
    """A form of another site must not hand anything in through somebody's browser.  Raises: HTTPException."""
    said = request.headers.get("origin") or request.headers.get("referer")
    if said is not None and urlsplit(said).netloc.lower() != request.headers.get("host", "").lower():
        raise HTTPException(403, "this form is not of this page; open the page itself and bring them there")


def _name(raw: bytes) -> str:
    """A file's own name for people, without its folders."""
    text = raw.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    return "".join(c if c.isprintable() else "?" for c in text)[:120] or "file"
