"""A base's mirror over HTTP, and the source that units fetch from: files of a release alone, for the fleet alone."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support import wait_for
from trapbase.update_settings import UpdateSettings
from trapbase.updates.serve import MirrorServer
from trapkit.errors import SetupError
from trapkit.update.httpsource import HttpSource, TooLargeError, TooSlowError, fleet_context
from trapship.certificates import make_fleet, revoke

DIGEST = "ab" * 32
TARGET = f"targets/application/{DIGEST}.pugmark-0.2-py3-none-any.whl"
BODY = bytes(range(256)) * 2000


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    for name, data in (
        ("metadata/3.root.json", b"{}"),
        ("metadata/timestamp.json", b'{"t": 1}'),
        (TARGET, BODY),
        ("permits/7.permit", b"permit"),
        ("permits/secret.key", b"not for anybody"),
        ("state/note.txt", b"nor this"),
    ):
        path = tmp_path / "mirror" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "outside").write_bytes(b"outside")
    (tmp_path / "mirror" / "permits" / "9.permit").symlink_to(tmp_path / "outside")
    return tmp_path / "mirror"


@contextmanager
def serving(mirror: Path, certificates: Path = Path("none"), *, tls: bool = False) -> Iterator[str]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    server = MirrorServer(mirror, UpdateSettings(port=port, tls=tls), certificates)
    url = server.start()
    wait_for(lambda: server.alive)
    try:
        yield url
    finally:
        server.close()


def fetch(source: HttpSource, name: str, most: int = 1 << 20) -> bytes:
    try:
        return b"".join(source.fetch(name, most))
    finally:
        source.close()


def test_files_of_a_release_are_served_whole_and_nothing_else(mirror: Path) -> None:
    with serving(mirror) as url:
        source = HttpSource(url)
        assert b"".join(source.fetch("metadata/timestamp.json", 100)) == b'{"t": 1}'
        assert b"".join(source.fetch(TARGET, 1 << 20)) == BODY
        assert b"".join(source.fetch("permits/7.permit", 256)) == b"permit"
        for name in (
            "", "metadata", "metadata/4.root.json", "permits/secret.key", "permits/9.permit", "state/note.txt",
            "../outside", "/etc/passwd", "metadata/../state/note.txt", "metadata/%2e%2e/state/note.txt",
            "targets/x/../../state/note.txt",
        ):  # fmt: skip
            with pytest.raises(FileNotFoundError):
                fetch(source, name)
        with pytest.raises(TooLargeError, match=r"512000 bytes, allowed are 1000"):
            fetch(source, TARGET, 1000)
        source.close()


def test_with_tls_only_units_of_the_fleet_get_in_and_none_that_was_revoked(mirror: Path, tmp_path: Path) -> None:
    fleet = tmp_path / "fleet"
    make_fleet(fleet, ("7", "8"))
    revoke(fleet, "8")
    with serving(mirror, fleet, tls=True) as url:
        url = url.replace("127.0.0.1", "localhost")
        assert fetch(HttpSource(url, fleet_context(fleet, "7")), "permits/7.permit") == b"permit"
        with pytest.raises(OSError, match=r"7\.permit: "):
            fetch(HttpSource(url, fleet_context(fleet, "8")), "permits/7.permit")
        stranger = fleet_context(fleet, "7").__class__(protocol=16)  # PROTOCOL_TLS_CLIENT
        stranger.load_verify_locations(fleet / "ca.crt")
        with pytest.raises(OSError, match=r"7\.permit: "):
            fetch(HttpSource(url, stranger), "permits/7.permit")


def test_without_the_fleets_certificate_it_says_what_is_missing(mirror: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"key 'bus\.certificates'.*server\.key"):
        MirrorServer(mirror, UpdateSettings(port=1, tls=True), tmp_path / "none").start()


# A source that is cut off, lies or trickles: what an answer says is the test's


@contextmanager
def answering(*answers: Callable[[str], bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives one answer a connection, then closes it; the requests that it has heard."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                with suppress(OSError):  # the test has gone
                    connection, _ = listener.accept()
                    with connection:
                        request = connection.recv(65536).decode()
                        asked.append(request)
                        connection.sendall(answer(request))

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked


def whole(data: bytes, size: int, tag: str = '"a"') -> Callable[[str], bytes]:
    return lambda request: f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nETag: {tag}\r\n\r\n".encode() + data


def part(data: bytes, first: int, size: int) -> Callable[[str], bytes]:
    head = f"HTTP/1.1 206 Partial\r\nContent-Length: {size - first}\r\nContent-Range: bytes {first}-{size - 1}/{size}"
    return lambda request: f"{head}\r\n\r\n".encode() + data


def test_what_broke_off_goes_on_where_it_stopped() -> None:
    with answering(whole(b"abc", 9), part(b"def", 3, 9), part(b"ghi", 6, 9)) as (url, asked):
        assert fetch(HttpSource(url), "metadata/root.json") == b"abcdefghi"
    assert "Range: bytes=3-" in asked[1]
    assert 'If-Range: "a"' in asked[1]


def test_one_that_knows_no_ranges_gives_all_again_and_nothing_is_doubled() -> None:
    with answering(whole(b"abc", 9), whole(b"abcdefghi", 9)) as (url, _):
        assert fetch(HttpSource(url), "x") == b"abcdefghi"


def test_one_that_breaks_off_again_and_again_is_given_up() -> None:
    with answering(*[whole(b"", 9)] * 5) as (url, asked), pytest.raises(OSError, match="x: "):
        fetch(HttpSource(url), "x")
    assert len(asked) == 5


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"a", 10**9),
        part(b"a", 5, 9),
        lambda request: b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        lambda request: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        lambda request: b"\x00" * 100,
    ],
    ids=["larger than allowed", "begins in the middle", "redirect", "no size", "noise"],
)
def test_answers_that_are_none_are_errors(answer: Callable[[str], bytes]) -> None:
    with answering(*[answer] * 5) as (url, _), pytest.raises(OSError, match="x: "):
        fetch(HttpSource(url, timeout_s=2), "x", 1000)


def test_one_that_trickles_is_given_up_in_its_own_time() -> None:
    times = iter(range(0, 10_000_000, 1000))
    with answering(whole(b"abc", 9)) as (url, _), pytest.raises(TooSlowError, match="too few"):
        fetch(HttpSource(url, clock=lambda: float(next(times))), "x")


@pytest.mark.parametrize("url", ["", "ftp://x/", "http://", "https://user@host/", "https://host/?q=1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no address of an update source"):
        HttpSource(url)
