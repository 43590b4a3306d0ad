"""The reference back end on a loopback port, and batches as a base cuts them."""

import http.client
import threading
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from tests.base.parts import SIGNING, Base, deliver, sighting
from tests.support import free_port, wait_for
from trapsim.backend import make_app
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapsim.memorybus import MemoryBroker


class Server:
    """The back end on a loopback port, in a thread; `stop()` and `start()` play a restart on the same folder.

    `wrap`: puts something between HTTP and the application.
    """

    def __init__(self, folder: Path, wrap: Callable[[Any], Any] = lambda app: app) -> None:
        self.folder = folder
        self.signing_key = bytes(SIGNING)
        self._wrap = wrap
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        store: list[BackendStore] = []
        self.server: uvicorn.Server | None = None

        def serve() -> None:
            store.append(BackendStore(self.folder, self.signing_key))
            config = uvicorn.Config(
                self._wrap(make_app(store[0])), port=self.port, log_level="warning", timeout_graceful_shutdown=1
            )
            self.server = uvicorn.Server(config)
            self.server.run()
            store[0].close()

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        wait_for(lambda: self.server is not None and self.server.started)

    def stop(self) -> None:
        assert self.server is not None
        self.server.should_exit = True
        self.thread.join()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            named = {k.replace("_", "-"): v for k, v in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            response.body = response.read()  # type: ignore[attr-defined]
            return response
        finally:
            connection.close()

    def tus(self, method: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
        kind = {"Content_Type": "application/offset+octet-stream"} if method == "PATCH" else {}
        return self.ask(method, path, body, **({"Tus_Resumable": "1.0.0"} | kind | headers))

    def create(self, batch_id: str, size: int) -> str:
        answer = self.tus("POST", "/files", Upload_Length=str(size), Upload_Metadata=metadata(batch_id))
        assert answer.status == 201
        return str(answer.headers["Location"])


def metadata(batch_id: str) -> str:
    return f"filename eA==,batch_id {b64encode(batch_id.encode()).decode()}"


_numbers = iter(range(1, 10_000))


def make_batch(folder: Path) -> tuple[str, bytes, list[Any]]:
    """A batch as a base cuts it: id, zip, objects. Another one at every call."""
    broker, number = MemoryBroker(), next(_numbers)
    base = Base(folder, broker, DirectOutlet(None))
    deliver(broker, *sighting(1, number), *sighting(2, number))
    base.run(0, 11_000, 1000)
    (batch,) = base.store.batches_in(("cut", "uploading", "uploaded"), 9)
    data = base.cutter.path(batch.batch_id).read_bytes()
    objects = base.store.objects_of(batch.batch_id)
    base.close()
    return batch.batch_id, data, objects
