"""The mirror over HTTP, for traps with a network: read only, files of a release and permissions alone.

With TLS only units of the fleet get in, by the certificates that they have for the broker; who is on the revocation
list does not. What is served is signed: TLS keeps strangers off and proves nothing.
"""

import asyncio
import socket
import ssl
import threading
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from trapbase.update_settings import UpdateSettings
from trapbase.updates.names import NAMES
from trapkit.errors import SetupError

MOST_AT_ONCE = 32  # connections; a station of two traps has one each


def create_mirror(folder: Path) -> Starlette:
    """The application over a mirror's folder."""

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        path = folder / name
        if not NAMES.fullmatch(name) or path.is_symlink() or not path.is_file():
            raise HTTPException(404)
        return FileResponse(path, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})

    async def refuse(request: Request, error: Exception) -> Response:
        code = error.status_code if isinstance(error, HTTPException) else 500
        return PlainTextResponse(f"{code}\n", code)

    routes = [Route("/{name:path}", file, methods=["GET"])]
    return Starlette(routes=routes, exception_handlers={HTTPException: refuse})


def tls_context(certificates: Path) -> ssl.SSLContext:
    """Who may come: units of the fleet that are not revoked.  Raises: SetupError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
        context.load_verify_locations(certificates / "ca.crt")
        if (certificates / "ca.crl").exists():
            context.load_verify_locations(certificates / "ca.crl")
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except (OSError, ssl.SSLError) as error:
        raise SetupError(
            f"key 'bus.certificates' is {str(certificates)!r}: `updates.tls` needs the fleet's server.crt, server.key "
            f"and ca.crt there: {error}"
        ) from error
    return context


class MirrorServer:
    """Serves `folder`; certificates: of the fleet, with `updates.tls`."""

    def __init__(self, folder: Path, settings: UpdateSettings, certificates: Path) -> None:
        self._folder = folder
        self._settings = settings
        self._certificates = certificates
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Where it listens now.  Raises: SetupError."""
        host, port = self._settings.host, self._settings.port
        context = tls_context(self._certificates) if self._settings.tls else None
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, port), family=family)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SetupError(f"keys 'updates.host', 'updates.port' are {host}, {port}: {reason}") from error
        config = uvicorn.Config(
            create_mirror(self._folder), log_config=None, log_level="warning", timeout_graceful_shutdown=1,
            lifespan="off", limit_concurrency=MOST_AT_ONCE, timeout_keep_alive=10,
        )  # fmt: skip
        config.load()
        config.ssl = context
        server = self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])), name="updates-server", daemon=True
        )
        self._thread.start()
        return f"{'https' if context else 'http'}://{host}:{listener.getsockname()[1]}"

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout=3)
