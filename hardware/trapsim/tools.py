"""Programs that are not Python packages: the broker and MicroPython, the system's or those that `make` has fetched."""

import os
import shutil
from pathlib import Path

from trapkit.errors import SetupError

_HARDWARE = Path(__file__).resolve().parents[1]
_ROOT = _HARDWARE.parent
MAX_WORD_BYTES = 255  # MicroPython interns its command line, and dies of longer words
HEAP = "1m"  # of a unit, in bytes: a 64-bit host needs about twice an ESP32's for the same objects


def _find(name: str) -> str | None:
    # `make` puts its own beside the checkout; a program started by hand finds it there too.
    places = (os.environ.get("PATH", ""), "/usr/sbin", str(_ROOT / ".cache" / "bin"))
    return shutil.which(name, path=os.pathsep.join(places))


def find_mosquitto() -> str:
    """Path of the broker.  Raises: SetupError."""
    found = _find("mosquitto")
    if found is None:
        raise SetupError("mosquitto is not installed; run `make demo`, which fetches it, or install it")
    return found


def find_micropython() -> str | None:
    """Path of MicroPython, or None."""
    return _find("micropython")


def micropython_command(interpreter: str, arguments: Path) -> list[str]:
    """The firmware on its simulated board, with `trapsim.unit`'s arguments from a file."""
    command = [interpreter, "-X", f"heapsize={HEAP}", str(_HARDWARE / "trapsim" / "unit.py"), str(arguments)]
    long = [word for word in command if len(word.encode()) > MAX_WORD_BYTES]
    if long:
        raise SetupError(f"{long[0]}: MicroPython takes paths of at most {MAX_WORD_BYTES} bytes; use a shorter one")
    return command


def micropython_environment() -> dict[str, str]:
    """Where MicroPython finds the same files that CPython imports."""
    return os.environ | {"MICROPYPATH": f"{_ROOT / 'device'}:{_HARDWARE}"}
