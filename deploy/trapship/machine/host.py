"""The one place that starts other programs, on the machine that is being installed."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from trapship.machine.errors import InstallError

LONGEST_S = 3600.0  # pip on a Pi Zero 2 W from a slow stick
TAIL_LINES = 12  # of what a program that failed said


class Host:
    """`root`: where the machine's root lies; `dry`: nothing is changed; `say`: a line for who runs it.

    Where the root is elsewhere, or nothing shall be changed, `do` starts nothing: what only a running machine can do is
    left to the same command there.
    """

    def __init__(self, root: Path, *, dry: bool, say: Callable[[str], None]) -> None:
        self.root = root
        self.dry = dry
        self.say = say
        self.here = root == Path("/")
        # sd_booted(3)
        self.booted = self.here and Path("/run/systemd/system").is_dir()
        self.changes = 0

    def changed(self, what: str, became: str) -> None:
        """Say what became of something, and count it."""
        self.changes += 1
        self.say(f"{what}: {became}")

    def ask(self, *command: str) -> tuple[int, str]:
        """Exit code and output of a program that changes nothing; 127 where there is none such."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, errors="replace")
        except (OSError, subprocess.TimeoutExpired):
            return 127, ""
        return done.returncode, done.stdout

    def do(self, *command: str, env: Mapping[str, str] | None = None) -> None:
        """Run a program that changes this machine.  Raises: InstallError with what it said last."""
        if self.dry or not self.here:
            return
        try:
            done = subprocess.run(
                command, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                check=False, timeout=LONGEST_S, errors="replace",
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InstallError(f"`{' '.join(command)}` could not be run: {error}") from error
        if done.returncode:
            said = "\n  ".join((done.stderr or done.stdout).strip().splitlines()[-TAIL_LINES:])
            raise InstallError(f"`{' '.join(command)}` failed ({done.returncode}):\n  {said}")

    def try_to(self, *command: str) -> str:
        """As `do`, where going without is no fault; why it failed, in one line."""
        try:
            self.do(*command)
        except InstallError as error:
            return " ".join(str(error).split())
        return ""
