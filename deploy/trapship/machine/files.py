"""Files onto a machine and off it again. What a person changed there is never written over and never removed.

Every path that is handed in is the machine's (`/etc/x`); `root` is where that machine's root lies.
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trapship.machine.errors import InstallError

BESIDE = ".pugmark-new"


@dataclass(frozen=True)
class Change:
    """What became of a path; `what` is empty where nothing did."""

    path: str
    what: str


def below(root: Path, path: str) -> Path:
    """Where the machine's `path` lies."""
    return root / path.lstrip("/")


def digest(data: bytes) -> str:
    """SHA-256, as the record has it."""
    return hashlib.sha256(data).hexdigest()


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Replace `path` in one step, synced: after a power cut there is the old file or the new one.  Raises: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def lay(root: Path, path: str, data: bytes, mode: int, ours: str | None, *, dry: bool) -> Change:
    """Put a file there; `ours`: the digest of what an earlier installation put there, None if none did."""
    target = below(root, path)
    found = _read(target)
    beside = path + BESIDE
    if found == data:
        if stat.S_IMODE(target.stat().st_mode) == mode:
            return Change(path, "")
        if not dry:
            target.chmod(mode)
        return Change(path, f"mode {mode:o}")
    if found is not None and digest(found) != ours:
        if ours == digest(data) or _read(below(root, beside)) == data:
            return Change(path, "")  # said before, or nothing new of ours
        if not dry:
            write_whole(below(root, beside), data, mode)
        return Change(path, f"was changed here and is kept; ours lies beside it as {beside}")
    if not dry:
        write_whole(target, data, mode)
    return Change(path, "new" if found is None else "replaced")


def take_away(root: Path, path: str, ours: str, *, dry: bool) -> Change:
    """Remove a file of ours, and the folders that it leaves empty; a changed one is kept."""
    target, beside = below(root, path), below(root, path + BESIDE)
    if not dry:
        beside.unlink(missing_ok=True)
    found = _read(target)
    if found is None:
        return Change(path, "")
    if digest(found) != ours:
        return Change(path, "was changed here and is kept")
    if not dry:
        target.unlink()
        _prune(root, target.parent)
    return Change(path, "removed")


def link(root: Path, path: str, to: str, *, dry: bool) -> Change:
    """A link at `path` to `to`, replaced in one step; anything else there is not ours.  Raises: InstallError."""
    target = below(root, path)
    if target.is_symlink():
        if str(target.readlink()) == to:
            return Change(path, "")
    elif target.exists():
        raise InstallError(f"{path} is there and is no link: move it away, then say the same again")
    before = target.is_symlink()
    if not dry:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        part = target.with_name(f".{target.name}.part")
        part.unlink(missing_ok=True)
        part.symlink_to(to)
        part.replace(target)
    return Change(path, f"now leads to {to}" if before else f"new, leads to {to}")


def unlink(root: Path, path: str, to: str, *, dry: bool) -> Change:
    """Remove a link that leads to `to` or below it; another one stays."""
    target = below(root, path)
    if not target.is_symlink() or not f"{target.readlink()}/".startswith(to.rstrip("/") + "/"):
        return Change(path, "")
    if not dry:
        target.unlink()
    return Change(path, "removed")


def plan_of(files: Mapping[str, str], laid: set[str]) -> list[str]:
    """Recorded files that this version has no more, in a steady order."""
    return sorted(set(files) - laid)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InstallError(f"{path}: cannot be read: {error.strerror}") from error


def _prune(root: Path, folder: Path) -> None:
    """Folders of ours that are empty now, such as `…conf.d` that nobody else uses."""
    while folder != root and folder.name not in {"etc", "system", "bin", "share", "lib"}:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
