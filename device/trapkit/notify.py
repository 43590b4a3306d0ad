"""systemd's notify socket (sd_notify(3)), the one place that speaks to it: a datagram of `NAME=value` lines.

Outside of systemd, where `NOTIFY_SOCKET` is not set, nothing is said.
"""

import os
import socket
from collections.abc import Mapping

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"
LONGEST_STATUS = 400  # characters of the line in `systemctl status`


def status(text: str) -> str:
    """`STATUS=` with one line of words."""
    return "STATUS=" + " ".join(text.split())[:LONGEST_STATUS]


class Notifier:
    """`environ`: as systemd gave it; `pid`: of this process, for which a watchdog must be meant.

    `keepalive_ms`: how often `WATCHDOG=1` is due, half of what systemd waits for; None where nobody waits.
    """

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # @ stands for the zero byte of an abstract name; other kinds of sockets are for virtual machines.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        if not address.startswith(("/", "@")):
            self._address = ""
        limit_us = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        limited = self._address and ours and limit_us.isascii() and limit_us.isdigit() and int(limit_us) > 0
        self.keepalive_ms = max(1, int(limit_us) // 2000) if limited else None

    def tell(self, *lines: str) -> bool:
        """Whether systemd was told; one that is restarting is told the next time."""
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.setblocking(False)
                line.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True


def of_this_process() -> Notifier:
    """For the process that asks, with the environment that it was started in."""
    return Notifier(os.environ, os.getpid())


class Keepalive:
    """A program whose one loop must turn: READY=1 at its first turn, then WATCHDOG=1 as often as it is due."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._told_ms: int | None = None

    def turn(self, now_ms: int) -> None:
        """The loop has turned; now_ms: of a clock that never goes back."""
        if self._told_ms is None:
            self._notifier.tell(READY)
        elif self._notifier.keepalive_ms is None or now_ms - self._told_ms < self._notifier.keepalive_ms:
            return
        else:
            self._notifier.tell(WATCHDOG)
        self._told_ms = now_ms
