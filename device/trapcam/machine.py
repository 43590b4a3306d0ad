"""This computer: is it a trap's own, made by `deploy/install trap`? Only such a one is switched off by a trap."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from trapkit.errors import SetupError

RECORD = Path("/opt/pugmark/installed.json")  # what `deploy/install` leaves behind; anybody may read it
MAX_BYTES = 1 << 20
TRAP = "trap"
SHUT_DOWN_S = 20.0  # the supervisor cuts the power after 30


def is_trap(record: Path = RECORD) -> bool:
    """False also where nobody can tell: a desk that goes off costs more than a Pi whose power is cut a little later."""
    try:
        with record.open("rb") as file:
            said = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and said.get("role") == TRAP


def shut_down(command: list[str], report: Callable[[str], None]) -> int:
    """The supervisor has sent the Pi away: what is left to do; the exit code.  Raises: SetupError."""
    ours, said = is_trap(), " ".join(command)
    if not command:
        said = "nothing is told to shut it down"
    elif not ours:
        said = f"{said!r} is left out, for `deploy/install trap` did not make this computer a trap's own; it stays on"
    report(f"the supervisor lets this computer go: {said}")
    if not command or not ours:
        return 0
    try:
        return subprocess.run(command, check=False, timeout=SHUT_DOWN_S).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"key 'supervisor.power_off' is {command}: cannot be run: {error}") from error
