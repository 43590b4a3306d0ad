"""Our client of the back end: it resumes, gives up on silence, and speaks to nobody else."""

import socket
import threading
from pathlib import Path

import pytest

from tests.base.backend_server import Server, _numbers, make_batch
from tests.base.parts import SIGNING, Base, deliver, sighting
from trapbase.outlet import OutletError
from trapbase.receipts import check_receipts
from trapbase.tus import TusOutlet
from trapsim import backend_store
from trapsim.memorybus import MemoryBroker


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


def test_the_back_end_lists_what_it_has_a_page_at_a_time(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_store, "PAGE", 2)
    outlet = TusOutlet(server.url, 5)
    names = []
    for n in range(3):
        name, data, _ = make_batch(tmp_path / f"base{n}")
        outlet.send(outlet.create(name, len(data)), 0, data)
        names.append(name)
    found: list[str] = []
    following: str | None = ""
    while following is not None:
        page, following = outlet.batches(following)
        assert len(page) <= 2
        found += page
    assert [name for name in found if name in names] == names
    with pytest.raises(OutletError) as failure:
        outlet.batches("no cursor & no harm")
    assert failure.value.status == 400
    outlet.close()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"batches": 7}', b'{"batches": [], "next": 7}', b"[" * 5000])
def test_a_list_of_batches_that_is_none_is_said(body: bytes) -> None:
    rude = Rude(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body, end=b"\r\n\r\n")
    outlet = TusOutlet(rude.url, 5)
    with pytest.raises(OutletError, match="its list of batches is malformed"):
        outlet.batches("")
    outlet.close()
    rude.close()


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
