"""Ports in use: named by option or key, with what to do."""

import io
import socket
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from tests.base.running import Site
from tests.support import Broker, wait_for
from trapkit.bus import Bus
from trapship.broker import write_broker
from trapsim.cli import main
from trapsim.processes import Keeper, ProcessGaveUp


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody has, for streams and for datagrams."""
    with socket.create_server(("127.0.0.1", 0)) as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        port = int(stream.getsockname()[1])
        datagram.bind(("127.0.0.1", port))
        yield port


@pytest.mark.parametrize("command", ["backend", "channel", "demo"])
def test_a_port_that_is_taken_is_named(tmp_path: Path, taken: int, command: str) -> None:
    (tmp_path / "key").write_text("00" * 32)
    more = {
        "backend": ["--folder", str(tmp_path / "backend"), "--key", str(tmp_path / "key")],
        "channel": ["--stats", str(tmp_path / "figures")],
        "demo": ["--state", str(tmp_path / "demo")],
    }[command]
    stderr = io.StringIO()
    with redirect_stderr(stderr):
        assert main([command, "--port", str(taken), *more]) == 2
    assert f"--port {taken}: cannot be used: Address already in use" in stderr.getvalue()
    assert "; name another" in stderr.getvalue()


def test_the_page_names_key_and_address(site: Site) -> None:
    with socket.create_server(("127.0.0.1", site.page_port)):
        assert site.base("--only", "page").wait(15) == 2
    words = f"keys 'page.host', 'page.port' are 127.0.0.1, {site.page_port}: Address already in use; stop what listens"
    assert words in site.log


def test_a_broker_whose_port_is_taken_is_named_by_the_demo_with_its_own_words(
    mosquitto: str, fleet: Path, tmp_path: Path, taken: int
) -> None:
    config = write_broker(tmp_path / "broker", fleet, taken)
    keeper = Keeper(name="broker", command=[mosquitto, "-c", str(config)], log=tmp_path / "log")
    keeper.start()
    now = keeper.starts[0]

    def watch_for_a_while() -> None:
        for second in range(40):
            assert keeper.process is not None
            keeper.process.wait(20)
            keeper.watch(now + second)

    with pytest.raises(ProcessGaveUp, match=r"broker ends by itself \(exit 1\): .*Address already in use"):
        watch_for_a_while()


def test_a_base_says_that_no_broker_of_its_fleet_listens_there(site: Site, broker: Broker, taken: int) -> None:
    """Somebody else has the broker's port: a program that speaks no TLS, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        files = (broker.fleet / name for name in ("ca.crt", "ingest.crt", "ingest.key"))
        port = other.getsockname()[1]
        bus = Bus("127.0.0.1", port, *files, "ingest", ())
        bus.start()
        line, _ = other.accept()
        line.sendall(b"HTTP/1.1 400 what?\r\n\r\n")
        wait_for(lambda: f"127.0.0.1:{port} hung up before it answered" in bus.last_error)
        assert "is it a broker with TLS" in bus.last_error
        line.close()
        bus.stop()
