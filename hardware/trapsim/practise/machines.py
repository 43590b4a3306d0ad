"""Folders that stand for machines: what `trapship provision` wrote is taken over, and made to live on this machine."""

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import make_folder, write_atomically
from trapkit.operator.identity import FOLDER, MANIFEST
from trapkit.operator.takeover import TakeOver
from trapship.desk.texts import mcu_json, toml
from trapsim.practise.local import ETC, Table, dotted, merged, moved

UNIT = "unit.toml"
MAX_BYTES = 1 << 20
Says = Callable[[Table], Table]


def take_over(kind: str, source: Path, into: Path) -> list[str]:
    """As `trapbase identity` and `trapcam identity`, but what lies on card or stick stays there; the lines they say.

    Raises: SetupError where nothing for a `kind` lies there, or nothing that its operator signed; OSError.
    """
    if not (source / FOLDER / MANIFEST).is_file():
        if (into / UNIT).is_file():
            return []  # taken over before, by hand say
        raise SetupError(f"{source}: no {kind} lies there; `trapship provision {kind} … --out {source}` writes one")
    return TakeOver(kind=kind, keep=True).run(source, into)


def settle(into: Path, moves: Mapping[str, str], says: Says) -> None:
    """Make unit.toml live here: its folders by `moves`, and what `says` of it. Again is harmless.

    Raises: SetupError, OSError.
    """
    path = into / UNIT
    found = moved(_toml(path), moves)
    found = merged(found, says(found))
    head = "As `trapsim practise` made it of what was provisioned. Your own settings go into the file beside it."
    new = toml(dotted(found), head)
    if path.read_bytes() != new:
        write_atomically(path, new, mode=0o600)
    own = into / "trap.toml"
    if own.is_file():
        text = own.read_text()
        there = text.replace(f'"{ETC}/', json.dumps(f"{into}/")[:-1])
        if there != text:
            write_atomically(own, there.encode())


def _toml(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SetupError(f"{path}: cannot be read: {error}") from error


def read_mcu(path: Path, role: str) -> Table:
    """A provisioned mcu.json or modem.json.  Raises: SetupError naming the file."""
    try:
        with path.open("rb") as file:
            settings = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError) as error:
        raise SetupError(f"{path}: cannot be read: {error}; `trapship provision` writes it") from error
    if not isinstance(settings, dict) or settings.get("role") != role:
        found = settings.get("role") if isinstance(settings, dict) else None
        raise SetupError(f"{path}: is for the role {found!r}; allowed here is {role!r}")
    if role == "supervisor" and (type(settings.get("trap")) is not int or not 0 < settings["trap"] < 1 << 16):
        raise SetupError(f"{path}: trap is {settings.get('trap')!r}; allowed is the trap's number, 1–65535")
    return settings


def flash(folder: Path, settings: Table) -> None:
    """Settings onto the simulated board in `folder`.  Raises: OSError."""
    make_folder(folder, 0o700)
    write_atomically(folder / "mcu.json", mcu_json(settings), mode=0o600)


def stamp(path: Path) -> tuple[int, int]:
    """What tells one content of a file from another; zeros where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - one call, of a file that may go
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
