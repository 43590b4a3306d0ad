"""What the client keeps between two tries, so that each survives a power cut at any byte.

FOLDER/metadata-N/     what was proved last, as python-tuf keeps it; a new one is made beside it and renamed
FOLDER/memory.json     the highest serial handed over, and what each of the last releases put onto the unit
FOLDER/parts/          files, whole and half (`fetching`); the whole ones are what is handed over
FOLDER/floor           the time floor (`timefloor`)
"""

import filecmp
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trapkit.files import fsync_folder, make_folder, write_atomically
from trapkit.update.compat import Declared, read_declared
from trapkit.update.offer import MAX_SERIAL, RELEASE

MAX_KNOWN = 8  # releases that are remembered: the one in force, the one offered, some that one may go back to
MAX_MEMORY_BYTES = 1 << 18
NEW = "metadata.new"


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a unit holds under a release. sha256: part -> its file's digest; declared: part -> what it declares."""

    serial: int
    built_ms: int
    sha256: Mapping[str, str]
    declared: Mapping[str, Declared]

    def as_json(self) -> dict[str, Any]:
        parts = {part: {**each.as_json(), "sha256": self.sha256[part]} for part, each in self.declared.items()}
        return {"serial": self.serial, "built_ms": self.built_ms, "parts": parts}


@dataclass(kw_only=True)
class Memory:
    """Read by `read_memory`, changed in place, written by `save`."""

    folder: Path
    highest: int = 0
    known: dict[str, Known] = field(default_factory=dict)

    def save(self, keep: tuple[str, ...]) -> None:
        """Write it down, with the last few releases and those named.  Raises: OSError."""
        last = sorted(self.known, key=lambda name: self.known[name].serial)[-MAX_KNOWN:]
        stay = {name: self.known[name].as_json() for name in {*last, *keep} if name in self.known}
        told = {"highest": self.highest, "known": stay}
        write_atomically(self.folder / "memory.json", json.dumps(told, sort_keys=True).encode())


def read_memory(folder: Path) -> Memory:
    """What is remembered in `folder`, which is made. One that cannot be read is begun anew: TUF's own versions still
    keep the unit from what is older, and a unit that took no more updates would be lost.  Raises: OSError."""
    make_folder(folder / "parts")
    try:
        with (folder / "memory.json").open("rb") as file:
            told = json.loads(file.read(MAX_MEMORY_BYTES))
        highest = told["highest"]
        if type(highest) is not int or not 0 <= highest <= MAX_SERIAL:
            raise ValueError(highest)
        known = {name: _known(each) for name, each in told["known"].items() if RELEASE.fullmatch(name)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Memory(folder=folder)
    return Memory(folder=folder, highest=highest, known=known)


def _known(told: Any) -> Known:
    parts = told["parts"]
    return Known(
        serial=int(told["serial"]),
        built_ms=int(told["built_ms"]),
        sha256={part: str(each["sha256"]) for part, each in parts.items()},
        declared={part: read_declared(each) for part, each in parts.items()},
    )


def work_on_metadata(folder: Path) -> Path:
    """A copy of what was proved last, to be brought up to date.  Raises: OSError."""
    new = folder / NEW
    shutil.rmtree(new, ignore_errors=True)
    last = _generations(folder)[-1:]
    make_folder(new / "root_history")
    for path in [*last[0].glob("*.json"), *last[0].glob("root_history/*.json")] if last else []:
        if not path.is_symlink():  # python-tuf's own, which it makes again
            (new / path.relative_to(last[0])).write_bytes(path.read_bytes())
    return new


def keep_metadata(folder: Path) -> None:
    """The copy takes the place of what it was made from, durably and at once; not where nothing changed.

    Raises: OSError; then what was there before is there still.
    """
    new, before = folder / NEW, _generations(folder)
    if before and _same(before[-1], new):
        shutil.rmtree(new)
        return
    for path in [*new.rglob("*"), new]:
        if path.is_dir() and not path.is_symlink():
            fsync_folder(path)
        elif not path.is_symlink():
            _sync(path)
    number = int(before[-1].name.split("-")[1]) + 1 if before else 1
    new.rename(folder / f"metadata-{number}")
    fsync_folder(folder)
    for old in before:
        shutil.rmtree(old, ignore_errors=True)


def proved_metadata(folder: Path) -> Path | None:
    """Where what was proved last lies."""
    return _generations(folder)[-1] if _generations(folder) else None


def _generations(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("metadata-*") if path.name.split("-")[1].isdigit()]
    return sorted(found, key=lambda path: int(path.name.split("-")[1]))


def _same(one: Path, other: Path) -> bool:
    names = [sorted(p.relative_to(top).as_posix() for p in top.rglob("*")) for top in (one, other)]
    if names[0] != names[1]:
        return False
    return all(filecmp.cmp(one / n, other / n, shallow=False) for n in names[0] if (one / n).is_file())


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
