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
from trapbase.parcels import Imported, import_file
from trapbase.store import Store
from trapbase.words import N_
from trapkit.errors import SetupError, StorageError
from trapkit.files import FULL, refusal
from trapkit.formdata import FormError, FormReader, boundary_of

FOLDER = "upload"  # in the base's folder
INCOMING = "incoming-upload"  # a running ingest has its own
SILENT_S = 60.0  # a phone that says nothing for as long has left
KEEP_FREE_BYTES = 512 * 1024 * 1024  # on the disk, for what the traps send meanwhile
CHECK_EVERY_BYTES = 8 * 1024 * 1024
_CANNOT = N_("This base cannot keep it now. What is taken stays. Show this to whoever looks after the base: {why}")


class Refused(HTTPException):
    """Why an upload is not taken, or not whole: `text` is a message of the catalogues, `values` go into it."""

    def __init__(self, code: int, text: str, **values: object) -> None:
        super().__init__(code, text.format(**values))
        self.text = text
        self.values = values


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

        Raises: Refused; files that came before are taken and stay.
        """
        check_origin(request)
        if int(request.headers.get("content-length") or 0) > self._most_bytes:
            raise self._too_much()
        if self._busy:
            raise Refused(409, N_("Another upload is being taken. Bring this one when it is through."))
        self._busy = True
        try:
            reader = FormReader(boundary_of(request.headers.get("content-type", "")))
            return await self._files(request.stream(), reader)
        except ClientDisconnect as error:
            raise Refused(400, N_("The phone left. What is taken stays; bring the rest again.")) from error
        except FormError as error:
            raise Refused(
                400, N_("What came is no form, or ends too early: bring it again. ({why})"), why=error
            ) from error
        except TimeoutError as error:
            raise Refused(
                408, N_("Nothing came for {s} s. What is taken stays; bring the rest again."), s=f"{SILENT_S:.0f}"
            ) from error
        except StorageError as error:
            raise Refused(507, _CANNOT, why=error) from error
        except OSError as error:
            code = 507 if error.errno in FULL else 500
            raise Refused(code, _CANNOT, why=refusal(self._base / FOLDER, error)) from error
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
                    raise self._too_much()
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
            raise Refused(507, N_("This base's disk is nearly full. Make room there, and bring it again."))

    def _too_much(self) -> Refused:
        return Refused(413, N_("More than {mb} MiB at once. Bring fewer files."), mb=self._most_bytes >> 20)


def check_origin(request: Request) -> None:
    """A form of another site must not hand anything in through somebody's browser.  Raises: Refused."""
    said = request.headers.get("origin") or request.headers.get("referer")
    if said is not None and urlsplit(said).netloc.lower() != request.headers.get("host", "").lower():
        raise Refused(403, N_("This form is not of this page. Open the page itself, and bring them there."))


def _name(raw: bytes) -> str:
    """A file's own name for people, without its folders."""
    text = raw.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    return "".join(c if c.isprintable() else "?" for c in text)[:120] or "file"
