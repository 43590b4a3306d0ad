"""Answers only under a name that leads here: another site's name that was bent to this address (DNS rebinding) must
not read crops through somebody's browser."""

import ipaddress
import socket

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

WORDS = "421 open this page by the base's address, its own name, or a name ending in .local\n"


class OwnHost:
    """ASGI middleware; `name`: a further name of this base, its setting `page.host`."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._names = {"localhost", name.lower(), socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_ours(_host(scope)):
            await PlainTextResponse(WORDS, 421)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        if host in self._names or host.endswith(".local"):
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


def _host(scope: Scope) -> str:
    try:
        return (Request(scope).url.hostname or "").lower()
    except ValueError:  # brackets that hold no address
        return ""
