"""The demo's processes: started, watched, started again when they die, ended when the demo ends."""

import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

RESTART_AFTER_S = 0.5
STOP_WITHIN_S = 8.0
GIVE_UP_STARTS = 5  # this many starts within
GIVE_UP_WITHIN_S = 10.0  # this time, none of them killed by us, is a fault and not an accident


class ProcessGaveUp(Exception):  # noqa: N818 - it says what happened
    """A process ended again and again by itself; the message names it and its log's last words."""


@dataclass(kw_only=True)
class Keeper:
    """One process and how to start it again. `log` takes its stdout and stderr."""

    name: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    restart_at: float = 0.0
    starts: list[float] = field(default_factory=list)

    def start(self) -> None:
        with self.log.open("ab") as log:
            # A group of its own: Ctrl-C reaches the demo, which ends them in order.
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )  # fmt: skip
        self.starts.append(time.monotonic())

    def kill(self) -> bool:
        """`kill -9`, as the power would; False when it was dead already."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.starts.clear()
        return True

    def watch(self, now: float) -> bool:
        """Start it again if it has ended; whether that happened.  Raises: ProcessGaveUp."""
        if self.process is None or self.process.poll() is None:
            return False
        if not self.restart_at:
            self.restart_at = now + RESTART_AFTER_S
        if now < self.restart_at:
            return False
        recent = [t for t in self.starts if now - t < GIVE_UP_WITHIN_S]
        if len(recent) >= GIVE_UP_STARTS:
            raise ProcessGaveUp(f"{self.name} ends by itself (exit {self.process.returncode}): {last_words(self.log)}")
        self.restart_at = 0.0
        self.start()
        return True


@dataclass(kw_only=True)
class Switched(Keeper):
    """A process that runs while the file `switch` holds when it was switched on, "0" for off: a Pi behind its
    supervisor's load switch.

    One that ends by itself with 0 has shut down, which the file `halted` says, and starts when it is switched on next.
    `runs`: how often it was started; `cuts`: how often its power went while it ran.
    """

    switch: Path
    halted: Path
    runs: int = 0
    cuts: int = 0
    _on: str = "0"  # the switching on that this process has its power from

    def start(self) -> None:
        super().start()
        self.runs += 1

    def watch(self, now: float) -> bool:
        on = (self.switch.read_text() if self.switch.exists() else "") or "0"
        if on != self._on:  # also where it was off for less than the time between two looks
            self._on = on
            self.halted.unlink(missing_ok=True)
            self.cuts += self.kill()
            self.process = None
            if on != "0":
                self.start()
            return False
        if self.process is not None and self.process.poll() == 0:
            self.halted.touch()
            return False
        return super().watch(now)


def last_words(log: Path) -> str:
    """The last line of a log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "it said nothing"


class Processes:
    """All of them, in the order in which they are started."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.keepers: dict[str, Keeper] = {}

    def add(self, name: str, command: list[str]) -> None:
        keeper = Keeper(name=name, command=command, log=self._logs / f"{name}.log")
        self.keepers[name] = keeper
        keeper.start()

    def add_switched(self, name: str, command: list[str], folder: Path) -> None:
        """One that runs while `folder`/pi-power says so."""
        self.keepers[name] = Switched(
            name=name, command=command, log=self._logs / f"{name}.log",
            switch=folder / "pi-power", halted=folder / "pi-halted",
        )  # fmt: skip

    def switched(self) -> list[Switched]:
        """Those that hang on a load switch."""
        return [keeper for keeper in self.keepers.values() if isinstance(keeper, Switched)]

    def watch(self) -> list[str]:
        """Start again what has ended; the names.  Raises: ProcessGaveUp."""
        now = time.monotonic()
        return [name for name, keeper in self.keepers.items() if keeper.watch(now)]

    def stop(self) -> None:
        """Ask all to end, then make them."""
        running = [k.process for k in self.keepers.values() if k.process is not None and k.process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
