"""The reference back end over real HTTP: tus 1.0 word by word, resuming, receipts; our client and tuspy against it."""

import hashlib
import http.client
import json
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tusclient.client import TusClient

import trapsim.backend_package as backend_package
from tests.base.parts import NOW, SIGNING, Base, deliver, sighting
from tests.support import free_port, wait_for
from trapbase.outlet import OutletError
from trapbase.receipts import check_receipts
from trapbase.tus import TusOutlet
from trapsim.backend import make_app
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import MAX_BATCH_BYTES, MAX_UPLOADS, BackendStore, UploadError
from trapsim.crash import Died, fused
from trapsim.memorybus import MemoryBroker


class Server:
    """The back end on a loopback port, in a thread; `stop()` and `start()` play a restart on the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        store: list[BackendStore] = []
        self.server: uvicorn.Server | None = None

        def serve() -> None:
            store.append(BackendStore(self.folder, bytes(SIGNING)))
            config = uvicorn.Config(
                make_app(store[0]), port=self.port, log_level="warning", timeout_graceful_shutdown=1
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("backend"))
    server.start()
    yield server
    server.stop()


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


def test_what_the_server_can(server: Server) -> None:
    answer = server.ask("OPTIONS", "/files")
    assert answer.status == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation"
    assert int(answer.headers["Tus-Max-Size"]) == MAX_BATCH_BYTES
    assert answer.headers["Tus-Resumable"] == "1.0.0"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Tus_Resumable": "0.2.2"}, 412),
        ("POST", {"Upload_Length": "-1"}, 400),
        ("POST", {"Upload_Length": "x"}, 400),
        ("POST", {"Upload_Length": "0"}, 400),
        ("POST", {"Upload_Length": str(MAX_BATCH_BYTES + 1)}, 413),
        ("POST", {"Upload_Metadata": ""}, 400),
        ("POST", {"Upload_Metadata": "batch_id !!!"}, 400),
        ("POST", {"Upload_Metadata": "batch_id eA=="}, 400),
        ("HEAD", {}, 405),
        ("PUT", {}, 405),
    ],
)
def test_creations_that_are_refused(server: Server, method: str, headers: dict[str, str], status: int) -> None:
    whole = {"Upload_Length": "10", "Upload_Metadata": metadata("0" * 64)} | headers
    assert server.tus(method, "/files", **whole).status == status


def test_pieces_and_offsets(server: Server, tmp_path: Path) -> None:
    name, data, objects = make_batch(tmp_path)
    place = server.create(name, len(data))
    assert server.ask("GET", f"/v1/receipts/{name}").status == 404
    head = server.tus("HEAD", place)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("0", str(len(data)))
    assert head.headers["Cache-Control"] == "no-store"
    assert server.tus("PATCH", place, data[:10], Upload_Offset="0").status == 204
    assert server.tus("PATCH", place, data[:10], Upload_Offset="0").status == 409
    assert server.tus("PATCH", place, data[11:], Upload_Offset="11").status == 409
    assert server.tus("PATCH", place, b"x", Upload_Offset="10", Content_Type="text/plain").status == 415
    assert server.tus("PATCH", place, b"x", Upload_Offset="10", Tus_Resumable="2").status == 412
    assert server.tus("PATCH", place, data, Upload_Offset="10").status == 413
    assert server.tus("PATCH", place, b"x", Upload_Offset="ten").status == 400
    assert server.tus("PATCH", "/files/nope", b"x", Upload_Offset="0").status == 404
    assert server.tus("HEAD", "/files/nope").status == 404
    last = server.tus("PATCH", place, data[10:], Upload_Offset="10")
    assert (last.status, last.headers["Upload-Offset"]) == (204, str(len(data)))
    assert server.tus("HEAD", place).headers["Upload-Offset"] == str(len(data)), "remembered when complete"
    receipts = server.ask("GET", f"/v1/receipts/{name}").body  # type: ignore[attr-defined]
    assert {t for t, _, _ in check_receipts(receipts, name, objects, bytes(SIGNING.verify_key))} == {1, 2}
    assert server.ask("GET", "/v1/receipts/..%2f..").status == 404
    assert server.ask("GET", "/nope").status == 404


def test_a_package_that_is_not_what_it_says(server: Server, tmp_path: Path) -> None:
    name, data, _ = make_batch(tmp_path)
    place = server.create(name, len(data))
    refused = server.tus("PATCH", place, bytes(len(data)), Upload_Offset="0")
    assert refused.status == 422
    assert b"zip" in refused.body  # type: ignore[attr-defined]
    assert server.tus("HEAD", place).status == 404
    assert server.tus("PATCH", place, b"", Upload_Offset=str(len(data))).status == 410
    assert server.ask("GET", f"/v1/receipts/{name}").status == 404


def test_a_sender_that_vanishes_leaves_what_had_arrived(server: Server, tmp_path: Path) -> None:
    name, data, _ = make_batch(tmp_path)
    place = server.create(name, len(data))
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        head = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        head += f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(data)}\r\n\r\n"
        line.sendall(head.encode() + data[:777])
    wait_for(lambda: server.tus("HEAD", place).headers["Upload-Offset"] == "777")
    assert server.tus("PATCH", place, data[777:], Upload_Offset="777").status == 204


def test_our_client_resumes_after_the_back_end_was_killed(tmp_path: Path) -> None:
    name, data, objects = make_batch(tmp_path / "base")
    server = Server(tmp_path / "backend")
    server.start()
    outlet = TusOutlet(server.url, 5)
    url = outlet.create(name, len(data))
    assert outlet.send(url, 0, data[:100]) == 100
    server.stop()
    with pytest.raises(OutletError) as failure:
        outlet.offset(url)
    assert not failure.value.refused
    server.start()
    assert outlet.offset(url) == 100
    with pytest.raises(OutletError) as failure:
        outlet.send(url, 50, b"x")
    assert failure.value.refused
    assert outlet.send(url, 100, data[100:]) == len(data)
    answer = outlet.receipts(name)
    assert answer is not None
    assert len(check_receipts(answer, name, objects, bytes(SIGNING.verify_key))) == 2
    assert outlet.receipts("0" * 64) is None
    outlet.close()
    server.stop()


def test_the_base_against_the_server(server: Server, tmp_path: Path) -> None:
    broker = MemoryBroker()
    outlet = TusOutlet(server.url + "/", 5)
    base = Base(tmp_path, broker, outlet)
    deliver(broker, *sighting(2, next(_numbers)))
    base.run(0, 13_000)
    assert [b.state for b in base.store.batches_in(("cut", "uploading", "uploaded"), 9)] == []
    assert len(base.store.open_receipts(9)) == 1
    base.close()
    outlet.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_another_client_uploads_too(server: Server, tmp_path: Path) -> None:
    name, data, objects = make_batch(tmp_path)
    path = tmp_path / "batch.zip"
    path.write_bytes(data)
    uploader = TusClient(f"{server.url}/files").uploader(str(path), chunk_size=1000, metadata={"batch_id": name})
    uploader.upload()
    answer = server.ask("GET", f"/v1/receipts/{name}").body  # type: ignore[attr-defined]
    assert len(check_receipts(answer, name, objects, bytes(SIGNING.verify_key))) == 2


class Rude:
    """A server that answers every request with the same bytes, whatever they are."""

    def __init__(self, answer: bytes, end: bytes = b"data") -> None:
        self._end = end
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            with line:
                heard = b""
                while not heard.endswith(self._end):  # else closing would reset the line under its own answer
                    heard += line.recv(65536)
                line.sendall(self._answer)

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        (b"", False),
        (b"nonsense\r\n\r\n", False),
        (b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 429 no\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 413 no\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 204 ok\r\nUpload-Offset: -3\r\n\r\n", False),
        (b"HTTP/1.1 204 ok\r\nUpload-Offset: 99999999999999999999\r\n\r\n", False),
        (b"HTTP/1.1 204 ok\r\n\r\n", False),
        (b"HTTP/1.1 200 ok\r\nContent-Length: 9999999\r\n\r\n" + b"x" * (1 << 20) + b"y", True),
    ],
)
def test_a_rude_server_is_an_outlet_error(answer: bytes, refused: bool) -> None:
    rude = Rude(answer)
    outlet = TusOutlet(rude.url, 5)
    with pytest.raises(OutletError) as failure:
        outlet.send(f"{rude.url}/files/x", 0, b"data")
    assert failure.value.refused is refused
    outlet.close()
    rude.close()


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outlet = TusOutlet(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.2)
        with pytest.raises(OutletError, match="timed out"):
            outlet.create("0" * 64, 1)


@pytest.mark.parametrize("url", ["ftp://x/files", "http://[", "http://x:999999/"])
def test_an_address_that_cannot_be_is_an_outlet_error(url: str) -> None:
    with pytest.raises(OutletError):
        TusOutlet("http://127.0.0.1:1", 1).offset(url)


@pytest.mark.parametrize(
    "place",
    [
        "http://base.example:1/files/x",
        "https://127.0.0.1/files/x",
        "//other/files/x",
        "http://[",
        "http://127.0.0.1:y/",
    ],
)
def test_a_location_elsewhere_is_refused(place: str) -> None:
    rude = Rude(f"HTTP/1.1 201 ok\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode(), b"\r\n\r\n")
    outlet = TusOutlet(rude.url, 5)
    with pytest.raises(OutletError, match="address") as failure:
        outlet.create("0" * 64, 1)
    assert failure.value.refused
    outlet.close()
    rude.close()


@pytest.mark.parametrize(
    ("configured", "place", "same"),
    [
        ("https://backend.example/pug", "https://backend.example:443/files/x", True),
        ("https://backend.example/pug", "https://BACKEND.example/files/x", True),
        ("https://backend.example/pug", "http://backend.example/files/x", False),
        ("https://backend.example/pug", "https://backend.example:8443/files/x", False),
        ("https://backend.example/pug", "https://backend.example.evil/files/x", False),
    ],
)
def test_only_the_host_of_the_settings_is_spoken_to(configured: str, place: str, same: bool) -> None:
    outlet = TusOutlet(configured, 5)
    if same:
        assert outlet._check(place).netloc == "backend.example"
        return
    for ask in (outlet.offset, lambda url: outlet.send(url, 0, b"x")):
        with pytest.raises(OutletError, match="is not at") as failure:
            ask(place)
        assert failure.value.refused, "so the batch gets a new address at the right host"


def test_uploads_are_bounded(tmp_path: Path) -> None:
    store = BackendStore(tmp_path, bytes(SIGNING))
    first = store.create("0" * 64, 100)
    store.append(first, 0, b"x")
    for _ in range(MAX_UPLOADS):
        store.create("1" * 64, 100)
    assert store.offset(first) is None
    assert list((tmp_path / "uploads").iterdir()) == []
    store.close()


def test_the_same_object_in_two_batches_is_counted(tmp_path: Path) -> None:
    """A base that was set back to an old backup would do this; the demo's auditor counts it."""
    store = BackendStore(tmp_path / "backend", bytes(SIGNING))
    first, second = sighting(1, 1), sighting(1, 2)
    for folder, envelopes in (("a", [*first]), ("b", [*first, *second])):
        broker = MemoryBroker()
        base = Base(tmp_path / folder, broker, DirectOutlet(store))
        deliver(broker, *envelopes)
        base.run(0, 15_000)
        base.close()
    assert store.stats() | {"objects": 4, "batches": 2, "duplicated": 2} == store.stats()
    store.close()


def test_an_object_with_other_bytes_is_refused(tmp_path: Path) -> None:
    store = BackendStore(tmp_path / "backend", bytes(SIGNING))
    for folder in ("a", "b"):
        broker = MemoryBroker()
        base = Base(tmp_path / folder, broker, DirectOutlet(store))
        deliver(broker, *sighting(1, 1, NOW + len(folder)))
        base.run(0, 15_000)
        if folder == "b":
            assert [b.state for b in base.store.batches_in(("cut", "uploading", "uploaded"), 9)] != []
            assert "422" in base.uploader.last_error
            assert store.stats() | {"objects": 2, "batches": 1, "duplicated": 0} == store.stats()
        base.close()
    store.close()


def test_it_dies_at_every_durable_point_and_forgets_nothing_it_promised(tmp_path: Path) -> None:
    name, data, objects = make_batch(tmp_path / "base")
    points = 0
    for point in range(200):
        folder = tmp_path / f"at{point}"
        with fused() as fuse:
            promised, url, died = 0, "", False
            fuse.burn_at = frozenset({point})
            fuse.armed = True
            while promised < len(data):
                try:
                    store = BackendStore(folder, bytes(SIGNING))
                    found = store.offset(url) if url else None
                    assert (found is None and not url) or (found is not None and found[0] >= promised)
                    if not url:
                        url = store.create(name, len(data))
                    while promised < len(data):
                        at = store.offset(url)
                        assert at is not None
                        step = data[at[0] : at[0] + 1500]
                        promised = store.append(url, at[0], step) if step else len(data)
                except Died:
                    died = True
            fuse.armed = False
        store = BackendStore(folder, bytes(SIGNING))
        answer = store.receipts(name)
        assert answer is not None
        assert len(check_receipts(json.dumps(answer).encode(), name, objects, bytes(SIGNING.verify_key))) == 2
        assert store.stats() | {"objects": 4, "batches": 1, "duplicated": 0, "refused": 0} == store.stats()
        store.close()
        points += died
        if not died:
            break
    assert points > 20


def test_a_package_that_breaks_its_reader_is_refused_once_and_not_at_every_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, data, _ = make_batch(tmp_path / "base")
    store = BackendStore(tmp_path / "backend", bytes(SIGNING))
    url = store.create(name, len(data))
    monkeypatch.setattr(backend_package, "_read", lambda *a: (_ for _ in ()).throw(LZMAError("corrupt")))
    with pytest.raises(UploadError, match="LZMAError"):
        store.append(url, 0, data)
    store._db.execute("UPDATE uploads SET state = 'open'")  # as an older server left it
    store.close()
    store = BackendStore(tmp_path / "backend", bytes(SIGNING))
    assert store.offset(url) is None
    store.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.floats(0, 1), max_size=6), torn=st.binary(max_size=40))
def test_any_pieces_with_any_torn_tail_make_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[float], torn: bytes
) -> None:
    data = hashlib.shake_128(b"x").digest(3000)
    folder = tmp_path_factory.mktemp("pieces")
    store = BackendStore(folder, bytes(SIGNING))
    url = store.create("0" * 64, len(data) + 1)  # never complete: nothing is checked
    for end in sorted({int(c * len(data)) for c in cuts} | {len(data)}):
        at = store.offset(url)
        assert at is not None
        with (folder / "uploads" / url).open("ab") as file:
            file.write(torn)  # what a crash may leave behind the promised bytes
        store.append(url, at[0], data[at[0] : end])
    assert (folder / "uploads" / url).read_bytes()[: len(data)] == data
    with pytest.raises(UploadError):
        store.append(url, 1, b"x")
    store.close()
