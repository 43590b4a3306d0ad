"""The ranger's page as long as a service visit lasts: its server in a thread, the access point around it."""

import asyncio
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence

import uvicorn
from starlette.applications import Starlette

from trapcam.service.desk import Desk
from trapcam.service.trap import ServiceTrap
from trapcam.trigger import Trigger
from trapkit.errors import SetupError

COMMAND_S = 20.0
RETRY_MS = 30_000


class Visit:
    """Opens the page when somebody is there, and closes it when nobody was for `idle_ms`.

    up, down: commands for the access point, none where there is another way in; over: tells the supervisor that the
    visit is over; always: open all the time; report: a line for the operator; trap, desk: what serves the page's wishes
    in the trap's loop.
    """

    def __init__(
        self,
        app: Callable[[Callable[[], None]], Starlette],
        trap: ServiceTrap,
        desk: Desk,
        *,
        address: tuple[str, int],
        up: Sequence[str],
        down: Sequence[str],
        idle_ms: int,
        always: bool,
        monotonic_ms: Callable[[], int],
        over: Callable[[], None],
        report: Callable[[str], None],
    ) -> None:
        self._make = app
        self._trap = trap
        self._desk = desk
        self._address = address
        self._up = list(up)
        self._down = list(down)
        self._idle_ms = idle_ms
        self._always = always
        self._monotonic_ms = monotonic_ms
        self._over = over
        self._report = report
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._touched_ms = 0
        self._failed_ms: int | None = None
        self._went = False  # closed for want of anybody, while the supervisor still says service

    @property
    def open(self) -> bool:
        return self._server is not None

    @property
    def walking(self) -> bool:
        """Whether a walk test runs."""
        return self._trap.walking

    def on_trigger(self, trigger: Trigger) -> None:
        """During a visit what moves is whoever visits."""
        self._trap.on_trigger(trigger)

    def step(self, *, wanted: bool) -> bool:
        """Open or close as it is due, and do what the page asks; whether there was anything.

        wanted: somebody is there.
        """
        now_ms, wanted = self._monotonic_ms(), wanted or self._always
        self._went = self._went and wanted
        if wanted and not self.open and not self._went:
            if self._failed_ms is None or now_ms - self._failed_ms >= RETRY_MS:
                self._start(now_ms)
        elif self.open and not wanted:
            self.close()
        elif self.open and not self._always and now_ms - self._touched_ms >= self._idle_ms:
            self._report(f"service page: nobody came for {self._idle_ms // 60_000} minutes, closed")
            self._went = True
            self.close()
            self._over()
        moved = self._trap.step() if self.open else False
        return self._desk.step() or moved

    def _start(self, now_ms: int) -> None:
        host, port = self._address
        try:
            self._command(self._up)
            listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except (OSError, SetupError) as error:
            self._failed_ms = now_ms
            self._report(f"service page: cannot be opened at {host}, port {port}: {error}")
            return
        self._failed_ms, self._touched_ms = None, now_ms
        config = uvicorn.Config(
            self._make(self._touch), log_level="warning", lifespan="off", timeout_graceful_shutdown=1
        )
        server = self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])), name="page", daemon=True
        )
        self._thread.start()
        self._report(f"service page: open at http://{host}:{listener.getsockname()[1]}")

    def _touch(self) -> None:
        self._touched_ms = self._monotonic_ms()

    def close(self) -> None:
        """Close the page and the access point; harmless when repeated."""
        if self._server is None:
            return
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._server = self._thread = None
        self._trap.close()
        try:
            self._command(self._down)
        except SetupError as error:
            self._report(f"service page: {error}")

    def _command(self, command: list[str]) -> None:
        if not command:
            return
        try:
            done = subprocess.run(command, capture_output=True, timeout=COMMAND_S, check=False, text=True)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SetupError(f"{' '.join(command)}: {error}") from error
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise SetupError(f"{' '.join(command)}: ended with {done.returncode}: {said[-1] if said else ''}")
