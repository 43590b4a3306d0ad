"""Posts over real sockets on loopback: what rude receivers do, what is counted, what is never said."""

import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.base.outlet_parts import Ways, rangers, read_form
from trapbase.outlet import OutletError
from trapbase.outlets.post import MAX_READ_BYTES, Post, PostLine
from trapbase.tus import TusOutlet

POST = Post(path="", headers={"Authorization": "Bearer a-secret", "Content-Type": "text/plain"}, body=b"body" * 500)


def whole_request(line: socket.socket) -> bytes:
    """Head and body, by its Content-Length."""
    heard = b""
    while data := line.recv(65536):
        heard += data
        head, end, body = heard.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        if end and length and len(body) >= int(length[1]):
            break
    return heard


class Peer:
    """A server of one connection after the other; `serve` gets each with the request it has read, whole."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0
        self._lines: list[PostLine] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with line:
                self.requests.append(whole_request(line))
                try:
                    self._serve(line)
                except OSError:
                    continue  # the other side has hung up

    def line(self, timeout_s: float = 5.0, count: Callable[[int], None] = lambda size: None) -> PostLine:
        self._lines.append(PostLine("hook", f"http://127.0.0.1:{self.port}/in/secret-path", timeout_s, count))
        return self._lines[-1]

    def close(self) -> None:
        for line in self._lines:
            line.close()
        self._socket.close()


def saying(answer: bytes) -> Callable[[socket.socket], None]:
    return lambda line: line.sendall(answer)


def test_a_post_arrives_whole_and_every_byte_of_it_is_counted() -> None:
    counted: list[int] = []
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-Name: y\r\n\r\n{}"
    peer = Peer(saying(answer))
    line = peer.line(count=counted.append)
    status, headers, body = line.send(POST)
    assert (status, headers["X-Name"], body) == (201, "y", b"{}")
    (heard,) = peer.requests
    assert heard.startswith(b"POST /in/secret-path HTTP/1.1\r\n")
    assert len(heard) + len(answer) - 40 < sum(counted) <= len(heard) + len(answer)
    peer.close()


def test_of_a_receiver_that_is_not_there_nothing_is_counted_and_no_path_is_said() -> None:
    counted: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    line = PostLine("hook", f"http://127.0.0.1:{port}/in/secret-path?token=x", 1, counted.append)
    with pytest.raises(OutletError) as error:
        line.send(POST)
    assert counted == []
    words = str(error.value)
    assert f"outlet hook: POST: no connection to http://127.0.0.1:{port} (Connection refused)" in words
    assert "secret" not in words
    assert "token" not in words


def test_a_connection_that_breaks_off_counts_what_was_handed_to_it() -> None:
    counted: list[int] = []
    peer = Peer(lambda line: None)  # hangs up without a word
    with pytest.raises(OutletError):
        peer.line(count=counted.append).send(POST)
    assert sum(counted) == len(peer.requests[0])
    peer.close()


@pytest.mark.parametrize("place", ["http://127.0.0.1:1/elsewhere", "https://other.example/", "/in/secret-path/"])
def test_a_redirect_is_followed_nowhere(place: str) -> None:
    peer = Peer(saying(f"HTTP/1.1 307 go\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()))
    status, _, _ = peer.line().send(POST)
    assert status == 307
    assert peer.connections == 1
    peer.close()


def dripping(head: bytes) -> Callable[[socket.socket], None]:
    def serve(line: socket.socket) -> None:
        line.sendall(head)
        waiting = threading.Event()
        while not waiting.wait(0.01):
            line.sendall(b"x")

    return serve


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 ok\r\nContent-Length: 60000\r\n\r\n", b"HTTP/1.1 200 ok\r\nX-Long: ", b""]
)
def test_an_answer_that_trickles_is_given_up(head: bytes) -> None:
    peer = Peer(dripping(head))
    with pytest.raises(OutletError) as error:
        peer.line(timeout_s=0.05).send(POST)
    assert not error.value.refused
    if head:
        assert "timed out: its answer was not whole after 0.2 s (its timeout_s)" in str(error.value)
    peer.close()


def test_the_back_ends_answers_may_not_trickle_either() -> None:
    peer = Peer(dripping(b"HTTP/1.1 204 ok\r\nX-Long: "))
    with pytest.raises(OutletError, match="was not whole after"):
        TusOutlet(f"http://127.0.0.1:{peer.port}", 0.05).send(f"http://127.0.0.1:{peer.port}/files/x", 0, POST.body)
    peer.close()


def test_a_silent_receiver_is_given_up() -> None:
    hold = threading.Event()
    peer = Peer(lambda line: (hold.wait(5), None)[1])
    with pytest.raises(OutletError, match=r"no answer within 0\.05 s"):
        peer.line(timeout_s=0.05).send(POST)
    hold.set()
    peer.close()


def test_an_answer_without_end_is_read_no_further_than_it_matters() -> None:
    def endless(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 ok\r\n\r\n")
        while True:
            line.sendall(b"y" * 65536)

    peer = Peer(endless)
    status, _, body = peer.line().send(POST)
    assert (status, len(body)) == (200, MAX_READ_BYTES)
    peer.close()


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense\r\n\r\n", b"HTTP/9.9 abc\r\n\r\n", b"\0" * 70_000, b"HTTP/1.1 200 ok\r\n" + b"A: b\r\n" * 200],
)
def test_garbage_is_the_receivers_fault(answer: bytes) -> None:
    peer = Peer(saying(answer))
    with pytest.raises(OutletError) as error:
        peer.line().send(POST)
    assert not error.value.refused
    assert "a-secret" not in str(error.value)
    peer.close()


def test_a_sighting_goes_over_a_real_connection_and_its_failed_tries_are_paid_for(tmp_path: Path) -> None:
    answers = [
        b"HTTP/1.1 503 no\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"",
        b'HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{"data": {}}',
    ]
    peer = Peer(lambda line: line.sendall(answers.pop(0)))
    ways = Ways(tmp_path, rangers(tmp_path, url=f"http://127.0.0.1:{peer.port}/api/v1.0", budget_kib=100))
    ways.start("rangers")
    ways.run(500)
    ways.see(1, 1)
    ways.run(10_000)
    assert answers == []
    heads = [request.partition(b"\r\n")[0] for request in peer.requests]
    assert heads == [b"POST /api/v1.0/sensors/camera-trap/generic/status/ HTTP/1.1"] * 3
    head, _, body = peer.requests[-1].partition(b"\r\n\r\n")
    kind = re.search(rb"Content-Type: (.*)", head)
    assert kind is not None
    form = read_form(Post(path="", headers={"Content-Type": kind[1].decode().strip()}, body=body))
    assert form["camera_name"] == "S001 left"
    assert form["filecontent.file"][1][:3] == b"\xff\xd8\xff"
    ((counted,),) = ways.sql("SELECT bytes FROM outlet_days")
    assert 0 <= counted - sum(map(len, peer.requests)) < 150
    assert ways.sql("SELECT sent, last_error FROM outlets") == [(1, "")]
    ways.close()
    peer.close()


def test_what_is_silent_for_long_gets_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(saying(b"HTTP/1.1 204 ok\r\n\r\n"))
    line = peer.line()
    line.send(POST)
    monkeypatch.setattr(line._line, "_used_s", -100.0)
    line.send(POST)
    assert peer.connections == 2
    peer.close()
