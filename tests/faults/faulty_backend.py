"""The reference back end over real HTTP, with a layer before it that gives faulty answers; a base in virtual time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.base.backend_server import Server
from tests.base.parts import Base
from trapbase.config import UploadSettings
from trapbase.tus import TusOutlet
from trapsim.memorybus import MemoryBroker

TIMEOUT_S = 0.1
HANG = 0  # in place of a status: the request is taken and never answered
UPLOAD = UploadSettings(retry_min_s=1, retry_max_s=8, receipt_poll_s=1, chunk_bytes=1024, public_key="keys/backend.pub")


class Faulty:
    """An application before another: `fault(method, headers)` gives a status to answer with instead, or None.

    `after`: whether the request reaches the back end all the same, and only its answer is lost.
    """

    def __init__(self) -> None:
        self.app: Any = None
        self.fault: Callable[[str, dict[str, str]], int | None] = lambda method, headers: None
        self.after = False
        self.asked: list[str] = []

    def before(self, app: Any) -> "Faulty":
        self.app = app
        return self

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.asked.append(scope["method"])
        status = self.fault(scope["method"], {k.decode(): v.decode() for k, v in scope["headers"]})
        if status is None:
            await self.app(scope, receive, send)
            return

        async def nowhere(message: Any) -> None:
            """The answer that nobody gets."""

        if self.after:
            await self.app(scope, receive, nowhere)
        while (
            not self.after
            and (message := await receive())["type"] == "http.request"
            and (message["more_body"] or status == HANG)
        ):
            pass  # a client that gives up is a disconnect
        if status != HANG:
            await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"3")]})
            await send({"type": "http.response.body", "body": b"no\x1b"})


class Line:
    """A base in virtual time and a back end behind HTTP, with a fault between them."""

    def __init__(self, folder: Path) -> None:
        self.faulty = Faulty()
        self.server = Server(folder / "backend", self.faulty.before)
        self.server.start()
        self.outlet = TusOutlet(self.server.url, TIMEOUT_S)
        self.broker = MemoryBroker()
        self.base = Base(folder / "base", self.broker, self.outlet, upload=UPLOAD)

    def states(self) -> list[str]:
        return [b.state for b in self.base.store.batches_in(("cut", "uploading", "uploaded", "receipted"), 99)]

    def stats(self) -> Any:
        return self.server.ask("GET", "/v1/stats").body  # type: ignore[attr-defined]

    def delivered(self, objects: int) -> None:
        """Everything is receipted, once."""
        assert set(self.states()) == {"receipted"}
        assert f'"objects":{objects},'.encode() in self.stats()
        assert b'"duplicated":0,' in self.stats()

    def close(self) -> None:
        self.base.close()
        self.outlet.close()
        self.server.stop()
