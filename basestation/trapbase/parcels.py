"""Parcels on a stick, or in a tar, into custody: each object whole or named as damaged, and committed before anything
is said.

The envelopes speak for themselves: names, order and index prove nothing. What is here already is a double, in any
order, from any stick, at any base. Everything on a stick is hostile, and bounded.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from trapbase.intake.reading import check_size
from trapbase.model import Arrival
from trapbase.store import Store
from trapkit import parcel
from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapkit.parcel import Index
from trapkit.tarball import NotATarError, members
from trapwire.errors import WireError
from trapwire.objects import HEAD_BYTES, MAX_BODY_BYTES, decode_envelope

GROUP = 64  # objects in one transaction
GROUP_BYTES = 32 * 1024 * 1024
MAX_FILES = 1_000_000  # of one parcel
MAX_PARCELS = 10_000
MAX_NAMED = 1_000  # damaged and missing ones that are named; the others are counted

Tell = Callable[[str, int], None]
"""A parcel, and objects of it so far."""


@dataclass(kw_only=True)
class Imported:
    """What became of a parcel's objects, which are of `traps`: `new` here; `doubles`: here before; `aside`: other bytes
    than came first under their key; `refused`: those for which there is no room aside. `damaged`, `missing`: files that
    hold no object, and those that the index names and are not there. `foreign`: it is one file that neither is nor is
    called like anything that a trap gives. `note`: why nothing could be written beside
    them."""

    folder: Path
    traps: set[int] = field(default_factory=set)
    new: int = 0
    doubles: int = 0
    aside: int = 0
    refused: int = 0
    damaged: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    foreign: bool = False
    note: str = ""

    @property
    def taken(self) -> int:
        """Objects of it that are safe here now."""
        return self.new + self.doubles + self.aside


def find_parcels(folder: Path) -> list[Path]:
    """The parcels on a stick: `folder` is the stick, its folder `pugmark`, or one parcel.  Raises: SetupError."""
    if not folder.is_dir():
        raise SetupError(f"{folder}: there is no such folder; is the stick mounted there?")
    if parcel.PARCEL.fullmatch(folder.resolve().name):
        return [folder]
    within = folder / parcel.FOLDER if (folder / parcel.FOLDER).is_dir() else folder
    found = [
        within / entry.name
        for entry, _ in zip(os.scandir(within), range(MAX_FILES), strict=False)
        if parcel.PARCEL.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
    ]
    if not found or len(found) > MAX_PARCELS:
        raise SetupError(
            f"{folder}: {len(found)} parcels here; allowed is a stick with a folder {parcel.FOLDER!r} as `trapcam "
            f"collect` writes it, of at most {MAX_PARCELS} traps, or one folder of it like 7-0a1b2c3d"
        )
    return sorted(found)


Entry = tuple[str, Callable[[], bytes]]
"""An object's name, and what reads it.  Raises: WireError when it cannot be an object; OSError: no stick."""


def import_parcel(store: Store, folder: Path, utc_ms: int, tell: Tell) -> Imported:
    """Take what a parcel holds.  Raises: StorageError: the base's disk refuses; OSError: the stick does."""
    done = Imported(folder=folder)
    names = [entry.name for entry, _ in zip(os.scandir(folder), range(MAX_FILES), strict=False)]
    entries = [(name, partial(_read, folder / name)) for name in sorted(names) if name.endswith(parcel.SUFFIX)]
    _import(store, entries, done, utc_ms, tell)
    done.missing = _missing(folder, set(names))
    return done


def import_file(store: Store, path: Path, name: str, utc_ms: int, tell: Tell) -> Imported:
    """Take what a tar holds that a phone brought, or a single object's file; nothing in it is unpacked. `name`: what
    it is called.

    Raises: StorageError: the base's disk refuses; OSError: the file cannot be read.
    """
    done = Imported(folder=Path(name))
    total = path.stat().st_size
    with path.open("rb") as file:
        try:
            _import(store, _of_tar(file, total, done), done, utc_ms, tell)
        except NotATarError:
            if not parcel.is_index(name):
                _import(store, [(name, partial(_of_file, file, 0, total))], done, utc_ms, tell)
                done.foreign = bool(done.damaged) and not name.lower().endswith((".tar", parcel.SUFFIX))
    return done


def _of_tar(file: IO[bytes], total: int, done: Imported) -> Iterator[Entry]:
    """The objects of a tar; what its indexes name and is not there is missing when it is through."""
    seen: dict[str, set[str]] = {}
    indexes: dict[str, Index] = {}
    for member in members(file, total):
        folder, _, name = member.name.rpartition("/")
        if member.refusal:
            done.damaged.append(f"{member.name}: {member.refusal}")
        elif parcel.is_index(name) and member.size <= parcel.MAX_INDEX_BYTES and len(indexes) < MAX_PARCELS:
            file.seek(member.start)
            found = parcel.decode_index(file.read(member.size))
            if found is not None:
                indexes[folder] = found
        elif name.endswith(parcel.SUFFIX) or member.is_cut:
            seen.setdefault(folder, set()).add(name)
            yield member.name, partial(_of_file, file, member.start, member.size)
    for folder, index in indexes.items():
        done.missing += [e.file for e in index.objects if e.file not in seen.get(folder, ())]


def _of_file(file: IO[bytes], start: int, size: int) -> bytes:
    if size > HEAD_BYTES + MAX_BODY_BYTES:
        raise WireError(f"has {size} bytes")
    file.seek(start)
    return file.read(size)


def _import(store: Store, entries: Iterable[Entry], done: Imported, utc_ms: int, tell: Tell) -> None:
    group: list[Arrival] = []
    for arrival in _arrivals(entries, done, utc_ms):
        group.append(arrival)
        if len(group) >= GROUP or sum(len(a.body) for a in group) >= GROUP_BYTES:
            _add(store, group, done, utc_ms)
            group.clear()
            tell(done.folder.name, done.taken)
    _add(store, group, done, utc_ms)
    tell(done.folder.name, done.taken)


def _arrivals(entries: Iterable[Entry], done: Imported, utc_ms: int) -> Iterator[Arrival]:
    for name, read in entries:
        try:
            envelope = decode_envelope(read())
            key, body = envelope.key, envelope.body
            check_size(key, body)
        except WireError as error:
            done.damaged.append(f"{name}: {error}"[:200])
            continue
        done.traps.add(key.trap)
        sha256 = hashlib.sha256(body).digest()
        yield Arrival(key=key, body=body, sha256=sha256, base="", rssi_dbm=None, snr_db=None, received_ms=utc_ms)


def _read(path: Path) -> bytes:
    """A plain file's bytes, never through a link.  Raises: WireError when it cannot be an object; OSError: no stick."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return _unreadable(path, error)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise WireError("is no file")
        if found.st_size > HEAD_BYTES + MAX_BODY_BYTES:
            raise WireError(f"has {found.st_size} bytes")
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read(HEAD_BYTES + MAX_BODY_BYTES + 1)
    except OSError as error:
        return _unreadable(path, error)
    finally:
        os.close(fd)


def _unreadable(path: Path, error: OSError) -> bytes:
    """One bad place of a stick does not hold up the others; a stick that is gone does.  Raises: WireError, OSError."""
    list(path.parent.iterdir())
    raise WireError(f"cannot be read: {error.strerror or error}") from error


def _add(store: Store, group: list[Arrival], done: Imported, utc_ms: int) -> None:
    before = {(a.key, a.sha256) for a in group if store.holds(a.key, a.sha256)}
    kept = {(a.key, a.sha256) for a in store.add(group, (), 0, utc_ms)}
    seen = set(before)
    for a in group:
        one = (a.key, a.sha256)
        if one not in kept:
            done.refused += 1
        elif one in seen:
            done.doubles += 1
        elif store.is_aside(a):
            done.aside += 1
        else:
            done.new += 1
        seen.add(one)


def _missing(folder: Path, names: set[str]) -> list[str]:
    """What the index names and is not there; nothing where there is no index that can be read."""
    path = folder / parcel.INDEX
    with suppress(OSError):
        if not path.is_symlink() and path.stat().st_size <= parcel.MAX_INDEX_BYTES:
            index = parcel.decode_index(path.read_bytes())
            return [entry.file for entry in index.objects if entry.file not in names] if index else []
    return []


def leave_note(done: Imported, base: str, moment: str) -> None:
    """Say on the stick itself what was taken, for whoever carries it; `done.note` where it cannot be written."""
    lines = [
        f"Taken by base {base}, {moment}.",
        f"{done.taken} objects are safe there: {done.new} new, {done.doubles} it had, {done.aside} kept aside.",
    ]
    if done.refused:
        lines.append(f"{done.refused} were not taken: they contradict what came first, and there is no room aside.")
    lines += [f"Damaged: {name}" for name in done.damaged[:MAX_NAMED]]
    lines += [f"Missing: {name}" for name in done.missing[:MAX_NAMED]]
    if done.damaged or done.missing:
        lines.append("The trap still has them: collect there again.")
    lines.append("The trap deletes nothing before the back end has signed for it.")
    try:
        write_atomically(done.folder / f"taken-{base.lower()}.txt", "\n".join([*lines, ""]).encode())
    except OSError as error:
        done.note = f"no note on the stick: {error.strerror or error}"
