"""The page's routes and its server: Starlette and Jinja2, server-rendered, live by server-sent events. It only
reads, but where `page.upload` lets it take parcels (`bring`).

No request leaves the base, so it works on a phone without internet.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from trapbase.bring import Bringer, Refused
from trapbase.config import Settings
from trapbase.own_host import OwnHost
from trapbase.page_state import PageState
from trapbase.words import COOKIE, LANGUAGES, YEAR_S, Words, wanted
from trapkit.errors import SetupError, StorageError
from trapkit.files import lock_folder
from trapkit.headers import Headers
from trapkit.httprange import part_headers, wanted_range
from trapkit.sealing import read_key

METRICS = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' text format
ASSETS = {"page.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}
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
UPLOAD_HEADERS = HEADERS | {
    "Content-Security-Policy": HEADERS["Content-Security-Policy"].replace("form-action 'none'", "form-action 'self'"),
    "Referrer-Policy": "same-origin",  # with none at all a browser does not say that the form is this page's
}


def create_page(settings: Settings, secret: bytes | None, stop: threading.Event) -> Starlette:
    """The page's application."""
    page = PageState(settings, secret, stop)

    async def index(request: Request) -> Response:
        return HTMLResponse(page.render("page.html", request.query_params.get("species")))

    async def live(request: Request) -> Response:
        stream = page.open_stream(request.query_params.get("species"))
        return StreamingResponse(stream, media_type="text/event-stream")

    async def crop(request: Request) -> Response:
        try:
            found = page.crop(request.path_params["name"])
        except StorageError as error:
            raise HTTPException(503, str(error)) from error
        if found is None:
            raise HTTPException(404, "no such crop")
        return Response(found[1], media_type=found[0])

    async def asset(request: Request) -> Response:
        name = request.url.path[1:]
        return Response(page.asset(name), media_type=ASSETS[name])

    async def status(request: Request) -> Response:
        try:
            return JSONResponse(page.summary())
        except StorageError as error:
            raise HTTPException(503, str(error)) from error

    async def metrics(request: Request) -> Response:
        allowed = settings.page.metrics
        here = request.client is not None and _is_loopback(request.client.host)
        if allowed != "everywhere" and not (allowed == "loopback" and here):
            raise HTTPException(404, "no figures here: see page.metrics")
        try:
            return Response(page.metrics(), media_type=METRICS)
        except StorageError as error:
            raise HTTPException(503, str(error)) from error

    bringer = Bringer(settings) if settings.page.upload else None

    async def bring(request: Request) -> Response:
        if bringer is None:
            raise HTTPException(404, "parcels are not taken here: page.upload is false")
        words = Words(request.cookies.get(COOKIE) or _wanted(request, settings))
        if request.method != "POST":
            chosen = request.query_params.get("language", "")
            if chosen not in LANGUAGES:
                return HTMLResponse(page.brought(words, None))
            answer = RedirectResponse("/bring", 303)
            answer.set_cookie(COOKIE, chosen, max_age=YEAR_S, samesite="strict")
            return answer
        try:
            return HTMLResponse(page.brought(words, await bringer.take(request)))
        except Refused as error:
            trouble = words(error.text, **error.values)
            return HTMLResponse(page.brought(words, [], trouble), error.status_code, {"Connection": "close"})

    async def release(request: Request) -> Response:
        asked, tag = request.headers.get("range", ""), request.headers.get("if-range", "")
        found = page.release(tag if asked else "")
        if found is None:
            raise HTTPException(404, "no release is here")
        name, bundle = found
        try:
            part = wanted_range(asked, bundle.size) if tag in ("", bundle.tag) else None
        except ValueError:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{bundle.size}"})
        first, last = part or (0, bundle.size - 1)
        headers = part_headers(name, bundle.tag, bundle.size, part)

        def read() -> Iterator[bytes]:
            try:
                yield from bundle.read(first, last)
            except OSError:
                page.gone(bundle)
                raise

        return StreamingResponse(
            iterate_in_threadpool(read()), 206 if part else 200, headers, media_type="application/x-tar"
        )

    async def refuse(request: Request, error: Exception) -> Response:
        code, words = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
        return PlainTextResponse(f"{code} {words}\n", code)

    app = Starlette(
        routes=[
            Route("/", index),
            Route("/live", live),
            Route("/crop/{name}", crop),
            *(Route(f"/{name}", asset) for name in ASSETS),
            Route("/status.json", status),
            Route("/metrics", metrics),
            Route("/update.tar", release),
            Route("/bring", bring, methods=["GET", "POST"]),
        ],
        exception_handlers={HTTPException: refuse},
    )
    app.add_middleware(OwnHost, name=settings.page.host)
    app.add_middleware(Headers, headers=UPLOAD_HEADERS if settings.page.upload else HEADERS)
    if bringer is not None:
        bringer.recover()
    return app


def _wanted(request: Request, settings: Settings) -> str:
    return wanted(request.headers.get("accept-language", ""), settings.page.language)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def serve_page(
    settings: Settings, stop: threading.Event, started: Callable[[str], None], beat: Callable[[], None]
) -> None:
    """Serve until `stop` is set; `started` hears where, `beat` that the loop turns.  Raises: SetupError."""
    secret = read_key(Path(settings.box_key), "the key that opens crops") if settings.box_key else None
    lock = lock_folder(Path(settings.folder), "trapbase-page")
    host, port = settings.page.host, settings.page.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror  # what is wrong with a name is below 0
        advice = "stop what listens there, or name another host or port"
        raise SetupError(f"keys 'page.host', 'page.port' are {host}, {port}: {reason}; {advice}") from error
    config = uvicorn.Config(
        create_page(settings, secret, stop),
        log_config=None,  # what it says goes where the base's lines go
        log_level="warning",
        timeout_graceful_shutdown=1,
        lifespan="off",
    )
    started(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    try:
        asyncio.run(_serve(uvicorn.Server(config), listener, stop, beat))
    finally:
        lock.close()


async def _serve(
    server: uvicorn.Server, listener: socket.socket, stop: threading.Event, beat: Callable[[], None]
) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not stop.is_set() and not serving.done():
        beat()
        await asyncio.sleep(0.2)
    server.should_exit = True
    await serving
