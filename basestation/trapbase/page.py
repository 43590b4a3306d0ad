"""The page: Starlette and Jinja2, server-rendered, live by server-sent events. It only reads.

It opens crops in memory with the base's key and writes no picture to the disk. No request leaves the base, so it
works on a phone without internet.
"""

import asyncio
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import jinja2
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from trapbase.config import Settings
from trapbase.media import read_from
from trapbase.pictures import media_type
from trapbase.reader import Reader
from trapbase.view import View, build_view
from trapkit.errors import SetupError, StorageError
from trapkit.files import lock_folder
from trapkit.headers import Headers
from trapkit.sealing import open_box, read_key

POLL_S = 0.5  # how often the database is asked whether it changed
ALIVE_S = 15.0  # a comment on quiet streams, so that both ends notice a lost connection
MAX_STREAMS = 32  # readers at once
EVENTS = 24  # newest events shown
SIGHTINGS = 3 * EVENTS
ROWS = 20  # batches, conflicts
SHA256 = re.compile(r"[0-9a-f]{64}")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Page:
    """What the routes share. `secret`: the key that opens crops, or None; `stop`: the base is ending."""

    def __init__(self, settings: Settings, secret: bytes | None, stop: threading.Event) -> None:
        self._settings = settings
        self._folder = Path(settings.folder)
        self._secret = secret
        self._stop = stop
        self._reader: Reader | None = None
        loader = jinja2.PackageLoader("trapbase")
        self._templates = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
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

    def view(self) -> View:
        """The state of the base.  Raises: StorageError."""
        reader = self.reader()
        limits = {"sightings": SIGHTINGS, "batches": ROWS, "conflicts": ROWS, "waiting_by_trap": 1000}
        rows = {name: reader.rows(name, limit) if reader else [] for name, limit in limits.items()}
        rows["traps"] = reader.traps() if reader else []
        summary = reader.summary() if reader else {}
        return build_view(self._settings.name, self._settings.trap, rows, summary, EVENTS)

    def render(self, template: str) -> str:
        try:
            return self._templates.get_template(template).render(view=self.view())
        except StorageError as error:
            raise HTTPException(503, str(error)) from error

    def crop(self, sha256: str) -> tuple[str, bytes] | None:
        """(media type, picture), or None when it is not here, not a crop, or not for this base's key."""
        reader = self.reader()
        if reader is None or self._secret is None or not SHA256.fullmatch(sha256):
            return None
        digest = bytes.fromhex(sha256)
        sealed = read_from(self._folder / "media", digest) if reader.is_crop(digest) else None
        opened = open_box(self._secret, sealed) if sealed is not None else None
        kind = media_type(opened) if opened is not None else None
        return None if opened is None or kind is None else (kind[0], opened)

    def open_stream(self) -> AsyncIterator[bytes]:
        if self._streams >= MAX_STREAMS:
            raise HTTPException(503, f"{MAX_STREAMS} readers are here already")
        return self._stream()

    async def _stream(self) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            shown, quiet_s = None, 0.0
            while not self._stop.is_set():
                version = self.version()
                if version != shown:
                    with suppress(HTTPException):  # the database is busy: this change is shown with the next
                        html = self.render("live.html")
                        shown, quiet_s = version, 0.0
                        yield b"data: " + json.dumps({"html": html}).encode() + b"\n\n"
                elif quiet_s >= ALIVE_S:
                    quiet_s = 0.0
                    yield b": quiet\n\n"
                await asyncio.sleep(POLL_S)
                quiet_s += POLL_S
        finally:
            self._streams -= 1


def create_page(settings: Settings, secret: bytes | None, stop: threading.Event) -> Starlette:
    """The page's application."""
    page = Page(settings, secret, stop)

    async def index(request: Request) -> Response:
        return HTMLResponse(page.render("page.html"))

    async def live(request: Request) -> Response:
        return StreamingResponse(page.open_stream(), media_type="text/event-stream")

    async def crop(request: Request) -> Response:
        found = page.crop(request.path_params["sha256"])
        if found is None:
            raise HTTPException(404, "no such crop")
        return Response(found[1], media_type=found[0])

    async def script(request: Request) -> Response:
        return Response(page.asset("page.js"), media_type="text/javascript")

    async def style(request: Request) -> Response:
        return Response(page.asset("page.css"), media_type="text/css")

    async def status(request: Request) -> Response:
        return JSONResponse(page.view().summary)

    async def refuse(request: Request, error: Exception) -> Response:
        code = error.status_code if isinstance(error, HTTPException) else 500
        return PlainTextResponse(f"{code}\n", code)

    app = Starlette(
        routes=[
            Route("/", index),
            Route("/live", live),
            Route("/crop/{sha256}", crop),
            Route("/page.js", script),
            Route("/page.css", style),
            Route("/status.json", status),
        ],
        exception_handlers={HTTPException: refuse},
    )
    app.add_middleware(Headers, headers=HEADERS)
    return app


def serve_page(settings: Settings, stop: threading.Event, say: Callable[[str], None]) -> None:
    """Serve until `stop` is set; `say` hears where.  Raises: SetupError."""
    secret = read_key(Path(settings.box_key), "the key that opens crops") if settings.box_key else None
    lock = lock_folder(Path(settings.folder), "trapbase-page")
    host, port = settings.page.host, settings.page.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise SetupError(f"keys 'page.host', 'page.port' are {host}, {port}: {error.strerror or error}") from error
    config = uvicorn.Config(
        create_page(settings, secret, stop), log_level="warning", timeout_graceful_shutdown=1, lifespan="off"
    )
    say(f"page: running at http://{f'[{host}]' if ':' in host else host}:{port}")
    try:
        asyncio.run(_serve(uvicorn.Server(config), listener, stop))
    finally:
        lock.close()


async def _serve(server: uvicorn.Server, listener: socket.socket, stop: threading.Event) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not stop.is_set() and not serving.done():
        await asyncio.sleep(0.2)
    server.should_exit = True
    await serving
