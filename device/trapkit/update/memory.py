"""What the client keeps between two tries, so that each survives a power cut at any byte.

FOLDER/metadata-N/     what was proved last, as python-tuf keeps it; a new one is made beside it and renamed
FOLDER/memory.json     the highest serial handed over, and what each of the last releases put onto the unit
FOLDER/parts/          files, whole and half (`fetching`); the whole ones are what is handed over
FOLDER/floor           the time floor (`timefloor`)
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trapkit.files import fsync_folder, make_folder, write_atomically
from trapkit.update.compat import Declared, read_declared
from trapkit.update.offer import MAX_SERIAL, RELEASE

MAX_KNOWN = 8  # releases that are remembered: the one in force, the one offered, some that one may go back to
MAX_MEMORY_BYTES = 1 << 18
NEW = "metadata.new"
RAM = "/dev/shm"  # noqa: S108  (nothing that lies there is trusted longer than a look)


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
        """Write it down where it changed, with the last few releases and those named.  Raises: OSError."""
        last = sorted(self.known, key=lambda name: self.known[name].serial)[-MAX_KNOWN:]
        stay = {name: self.known[name].as_json() for name in {*last, *keep} if name in self.known}
        told = {"highest": self.highest, "known": stay}
        data, path = json.dumps(told, sort_keys=True).encode(), self.folder / "memory.json"
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data)


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


@contextmanager
def work_on_metadata(folder: Path) -> Iterator[Path]:
    """A copy of what was proved last, in memory, to be brought up to date; kept afterwards, however that ended.

    A look that finds nothing new writes nothing to the card.  Raises: OSError; then what was there is there still.
    """
    with TemporaryDirectory(prefix="pugmark-", dir=RAM if os.access(RAM, os.W_OK) else None) as name:
        work = Path(name)
        last = proved_metadata(folder)
        for path, data in _files(last).items() if last else ():
            (work / path).parent.mkdir(exist_ok=True)
            (work / path).write_bytes(data)
        try:
            yield work
        finally:
            if not last or _files(work) != _files(last):
                _keep(folder, _files(work))


def _keep(folder: Path, files: Mapping[str, bytes]) -> None:
    """Another generation, durably and at once; the ones before it go."""
    new, before = folder / NEW, _generations(folder)
    shutil.rmtree(new, ignore_errors=True)
    for name, data in files.items():
        make_folder((new / name).parent)
        write_atomically(new / name, data)
    if not files:
        return
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


def _files(top: Path) -> dict[str, bytes]:
    """python-tuf's files below `top`; not its links, which it makes again, nor what it left half written."""
    paths = [*top.glob("*.json"), *top.glob("root_history/*.json")]
    return {p.relative_to(top).as_posix(): p.read_bytes() for p in sorted(paths) if not p.is_symlink()}
