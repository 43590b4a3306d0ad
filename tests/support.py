"""What tests of several folders use beside the fixtures of conftest.py."""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from trapkit.bus import Bus
from trapship.broker import write_broker


def wait_for(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Until `condition` holds. For what real processes do in their own time; nothing else in the tests waits."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def many(quick: int, soak: int) -> int:
    """How often: `soak` times where `make soak` asks (tests/soak), `quick` times in `make test`."""
    return soak if os.environ.get("PUGMARK_SOAK") else quick


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Broker:
    """A real Mosquitto on a loopback port; `kill()` is `kill -9`, `start()` starts it again on the same files."""

    def __init__(self, program: str, folder: Path, fleet: Path) -> None:
        self.program = program
        self.fleet = fleet
        self.folder = folder
        self.port = free_port()
        self.config = write_broker(folder, fleet, self.port)
        self._process: subprocess.Popen[bytes] | None = None
        self._buses: list[Bus] = []

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self.program, "-c", str(self.config)], stdout=log, stderr=log)
        wait_for(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def tell(self, number: int) -> None:
        """Send it a signal; SIGHUP: read settings, certificates and the list of the revoked again."""
        assert self._process is not None
        self._process.send_signal(number)

    def bus(self, name: str, *subscriptions: str, client_id: str = "", connect: bool = True) -> Bus:
        """A bus under the certificate of `name`, connected."""
        files = (self.fleet / "ca.crt", self.fleet / f"{name}.crt", self.fleet / f"{name}.key")
        bus = Bus("127.0.0.1", self.port, *files, client_id or name, subscriptions)
        bus.start()
        self._buses.append(bus)
        if connect:
            wait_for(lambda: bus.connected)
        return bus

    def stop(self) -> None:
        for bus in self._buses:
            bus.stop()
        self.kill()
