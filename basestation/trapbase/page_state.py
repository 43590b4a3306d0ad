"""What the page's routes share: the reader, the templates, the key that opens crops, and the live stream.

It opens crops in memory with the base's key and writes no picture to the disk.
"""

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import jinja2
from starlette.exceptions import HTTPException

from trapbase.config import Settings
from trapbase.media import read_from
from trapbase.pictures import media_type
from trapbase.reader import Reader
from trapbase.view import View, build_view
from trapbase.view_events import slug
from trapkit.errors import SetupError, StorageError
from trapkit.sealing import open_box
from trapwire.alert import SPECIES

POLL_S = 0.5  # how often the database is asked whether it changed
ALIVE_S = 15.0  # a comment on quiet streams, so that both ends notice a lost connection
MAX_STREAMS = 32  # readers at once
EVENTS = 24  # newest events shown
SIGHTINGS = 3 * EVENTS
ROWS = 20  # batches
CONFLICTS = 1000  # counted by trap
SHA256 = re.compile(r"[0-9a-f]{64}")
CODES = {slug(name): code for code, name in SPECIES.items()}


class PageState:
    """`secret`: the key that opens crops, or None; `stop`: the base is ending."""

    def __init__(self, settings: Settings, secret: bytes | None, stop: threading.Event) -> None:
        self._settings = settings
        self._folder = Path(settings.folder)
        self._secret = secret
        self._stop = stop
        self._reader: Reader | None = None
        loader = jinja2.PackageLoader("trapbase")
        self._templates = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
        self._streams = 0

    def asset(self, name: str) -> str:
        source, _, _ = self._templates.loader.get_source(self._templates, name)  # type: ignore[union-attr]
        return source

    def reader(self) -> Reader | None:
        """The reader, or None while the base has stored nothing at all."""
        if self._reader is None:
            try:
                self._reader = Reader(self._folder)
            except SetupError:
                return None
        return self._reader

    def version(self) -> int:
        reader = self.reader()
        try:
            return -1 if reader is None else reader.version()
        except StorageError:
            return -1

    def view(self, chosen: str | None = None) -> View:
        """The state of the base; `chosen`: a species' slug.  Raises: StorageError; HTTPException for another word."""
        if chosen is not None and chosen not in CODES:
            raise HTTPException(404, "no such species")
        reader = self.reader()
        code = None if chosen is None else CODES[chosen]
        names = ("sightings", "species", "batches", "receipts_of", "conflicts", "waiting_by_trap", "traps")
        rows = {name: [] for name in names} if reader is None else _read(reader, code)
        summary = reader.summary() if reader else {}
        now_ms = time.time_ns() // 1_000_000
        species = None if code is None else SPECIES[code]
        return build_view(self._settings, rows, summary, now_ms, most=EVENTS, species=species)

    def render(self, template: str, chosen: str | None = None) -> str:
        try:
            return self._templates.get_template(template).render(view=self.view(chosen))
        except StorageError as error:
            raise HTTPException(503, str(error)) from error

    def crop(self, sha256: str) -> tuple[str, bytes] | None:
        """(media type, picture), or None when it is not here, not a crop or frame, or not for this base's key."""
        reader = self.reader()
        if reader is None or self._secret is None or not SHA256.fullmatch(sha256):
            return None
        digest = bytes.fromhex(sha256)
        sealed = read_from(self._folder / "media", digest) if reader.is_crop(digest) else None
        opened = open_box(self._secret, sealed) if sealed is not None else None
        kind = media_type(opened) if opened is not None else None
        return None if opened is None or kind is None else (kind[0], opened)

    def open_stream(self, chosen: str | None) -> AsyncIterator[bytes]:
        """The page's inner part again whenever the database changes.  Raises: HTTPException."""
        if chosen is not None and chosen not in CODES:
            raise HTTPException(404, "no such species")
        if self._streams >= MAX_STREAMS:
            raise HTTPException(503, f"{MAX_STREAMS} readers are here already")
        return self._stream(chosen)

    async def _stream(self, chosen: str | None) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            shown, quiet_s = None, 0.0
            while not self._stop.is_set():
                version = self.version()
                if version != shown:
                    with suppress(HTTPException):  # the database is busy: this change is shown with the next
                        html = self.render("live.html", chosen)
                        shown, quiet_s = version, 0.0
                        yield b"data: " + json.dumps({"html": html}).encode() + b"\n\n"
                elif quiet_s >= ALIVE_S:
                    quiet_s = 0.0
                    yield b": quiet\n\n"
                await asyncio.sleep(POLL_S)
                quiet_s += POLL_S
        finally:
            self._streams -= 1


def _read(reader: Reader, code: int | None) -> dict[str, list[dict[str, object]]]:
    """Everything that the view is made of."""
    newest = reader.rows("newest", SIGHTINGS) if code is None else reader.rows("newest_of", code, EVENTS, SIGHTINGS)
    batches = reader.rows("batches", ROWS)
    return {
        "sightings": reader.rows("sightings", json.dumps([list(row.values()) for row in newest])),
        "species": reader.rows("species"),
        "batches": batches,
        "receipts_of": reader.rows("receipts_of", json.dumps([b["batch_id"] for b in batches])),
        "conflicts": reader.rows("conflicts", CONFLICTS),
        "waiting_by_trap": reader.rows("waiting_by_trap", CONFLICTS),
        "traps": reader.traps(),
    }
