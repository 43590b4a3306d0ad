"""systemd's end of the notify socket, for the tests."""

import os
import socket
from pathlib import Path

from trapkit.notify import Notifier

KEEPALIVE_S = 300  # as in deploy/systemd/pugmark-base.service


class Systemd:
    """The other end of `NOTIFY_SOCKET`: a real datagram socket."""

    def __init__(self, folder: Path, *, abstract: bool = False) -> None:
        self.path = f"@pugmark-test-{os.getpid()}" if abstract else str(folder / "notify")
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind("\0" + self.path[1:] if abstract else self.path)
        self._line.setblocking(False)

    def notifier(self, **more: str) -> Notifier:
        given = {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": str(KEEPALIVE_S * 1_000_000)}
        return Notifier(given | more, os.getpid())

    def heard(self) -> list[str]:
        """Every line since the last time."""
        lines = []
        while True:
            try:
                lines += self._line.recv(4096).decode().split("\n")
            except BlockingIOError:
                return lines

    def wait_for(self, line: str) -> None:
        self._line.settimeout(20)
        try:
            while line not in self._line.recv(4096).decode().split("\n"):
                pass
        finally:
            self._line.setblocking(False)

    def close(self) -> None:
        self._line.close()
