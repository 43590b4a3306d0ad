"""The slots of a unit's Linux side in one folder: the one adapter to it. `install` decides, this keeps.

    ROOT/slots.json   the record (`install.Record`) with a check; written whole or not at all
    ROOT/current      a link to the slot that starts next, for people and other programs; none: as installed
    ROOT/a, ROOT/b    slot.json (release, serial, the SHA-256 of every file; written last, taken away first),
                      application/ (Python's path), model/, settings/pack.toml, region/, supervisor/

A slot without a readable slot.json is none. What is staged is written beside what runs and touches nothing of it.
"""

import hashlib
import os
import py_compile
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trapkit.files import FULL, fsync_folder, make_folder, read_back, write_atomically
from trapkit.update import recordfile
from trapkit.update.install import INSTALLED, SLOTS, Record
from trapkit.update.offer import PARTS, Offered
from trapkit.update.unpack import BadArchiveError, contents, members

RECORD, LINK, LIST = "slots.json", "current", "slot.json"
PACK = "pack.toml"  # the one part that is a file and no archive
MAX_LIST_BYTES = 1 << 20  # 2,000 files of 150 bytes a line
SPARE_BYTES = 32 << 20  # left free beside a release, for what the trap is there for
UNREAD = ("supervisor",)  # parts that a start does not look at: they were read when they were handed over


class StageError(Exception):
    """A release that could not be put into a slot; what runs is untouched. code: of `reasons`."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Slot:
    """What slot.json says. versions: of its parts; files: SHA-256 by path within the slot."""

    release: str
    serial: int
    versions: Mapping[str, str]
    files: Mapping[str, str]


class Slots:
    """The folder ROOT; nothing is made before the first write."""

    def __init__(self, root: Path) -> None:
        self.root = root

    # --- the record -----------------------------------------------------------------------------------------------

    def read(self) -> Record:
        """The record; of one that is damaged or gone, what the link says.  Raises: OSError."""
        try:
            with (self.root / RECORD).open("rb") as file:
                return recordfile.decode(file.read(MAX_LIST_BYTES))
        except (FileNotFoundError, ValueError):
            pass
        with suppress(OSError):
            linked = str((self.root / LINK).readlink())
            found = self.slot(linked) if linked in SLOTS else None
            if found is not None:
                return Record(good=linked, release=found.release, serial=found.serial)
        return Record()

    def write(self, record: Record) -> None:
        """Make it durable, then the link.  Raises: OSError; the record is the old one or the new one."""
        make_folder(self.root, 0o755)
        write_atomically(self.root / RECORD, recordfile.encode(record))
        self.link(record.in_force)

    def link(self, slot: str) -> None:
        """Point `current` at what starts next; nothing where it does.  Raises: OSError."""
        link = self.root / LINK
        try:
            now = str(link.readlink())
        except OSError:
            now = INSTALLED
        if now == slot:
            return
        if slot == INSTALLED:
            link.unlink()
        else:
            new = self.root / f".{LINK}.new"
            new.unlink(missing_ok=True)
            new.symlink_to(slot)
            new.replace(link)
        fsync_folder(self.root)

    # --- slots ----------------------------------------------------------------------------------------------------

    def slot(self, name: str) -> Slot | None:
        """What is in a slot; None where that is none, or only half of one.  Raises: OSError but for a missing file."""
        try:
            with (self.root / name / LIST).open("rb") as file:
                told: Any = recordfile.checked(file.read(MAX_LIST_BYTES))
            return Slot(
                release=str(told["release"]),
                serial=int(told["serial"]),
                versions={str(part): str(version) for part, version in told["versions"].items()},
                files={str(path): str(sha) for path, sha in told["files"].items()},
            )
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def is_whole(self, name: str) -> bool:
        """Whether every file that a start needs is as it was staged; reads them."""
        try:
            slot = self.slot(name)
            if slot is None:
                return False
            for path, sha in slot.files.items():
                if path.split("/")[0] in UNREAD:
                    continue
                with (self.root / name / path).open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != sha:
                        return False
        except OSError:
            return False
        return True

    def part(self, name: str, part: str) -> Path | None:
        """The folder of a part in a slot; None where the slot does not have it, or `name` is as installed."""
        folder = self.root / name / part
        return folder if name != INSTALLED and folder.is_dir() else None

    # --- staging --------------------------------------------------------------------------------------------------

    def stage(self, offered: Offered, record: Record) -> Iterator[None]:
        """Write a release into the idle slot, a file each time it is asked to go on; what it does not bring is taken
        from the good slot.  Raises: StageError.

        A cut anywhere leaves no slot there, or a whole one: begin again.
        """
        try:
            yield from self._stage(offered, record)
        except BadArchiveError as error:
            raise StageError("unpack-refused", str(error)) from error
        except OSError as error:
            code = "no-room" if error.errno in FULL else "card-refused"
            raise StageError(code, f"{error.filename or self.root}: {error.strerror or error}") from error

    def _stage(self, offered: Offered, record: Record) -> Iterator[None]:
        release, idle = offered.release, self.root / record.idle
        good = self.slot(record.good) if record.good != INSTALLED else None
        missing = [part for part in release.parts if not offered.files.get(part, Path()).is_file()]
        if missing:
            raise StageError("part-missing", f"{release.release}: {', '.join(missing)}")
        yield from self.clear(record.idle)
        make_folder(idle, 0o755)
        self._check_room(offered, record)
        files: dict[str, str] = {}
        versions: dict[str, str] = {}
        for part in PARTS:
            if part in release.parts:
                versions[part] = release.parts[part].version
                work = _fill(offered.files[part], idle, part)
            elif good is not None and part in good.versions:
                versions[part] = good.versions[part]
                work = _copy(self.root / record.good, good, idle, part)
            else:
                continue
            for path, sha in work:
                files[path] = sha
                yield
        folders = {folder for path in files for folder in (idle / path).parents if folder.is_relative_to(idle)}
        for folder in sorted(folders | {idle}, key=lambda each: -len(each.parts)):
            fsync_folder(folder)
        yield
        told = {"release": release.release, "serial": release.serial, "versions": versions, "files": files}
        write_atomically(idle / LIST, recordfile.check(told))
        fsync_folder(self.root)

    def clear(self, name: str) -> Iterator[None]:
        """Empty a slot that does not run; it is none from the first moment on.  Raises: OSError."""
        folder = self.root / name
        if not folder.is_dir():
            return
        if (folder / LIST).exists():
            (folder / LIST).unlink()
            fsync_folder(folder)
        yield
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()
            yield

    def _check_room(self, offered: Offered, record: Record) -> None:
        needed = SPARE_BYTES
        for part, path in offered.files.items():
            needed += path.stat().st_size if part == "settings" else sum(each.file_size for each in members(path))
        if record.good != INSTALLED:
            needed += sum(path.stat().st_size for path in (self.root / record.good).rglob("*") if path.is_file())
        free = os.statvfs(self.root)
        if free.f_bavail * free.f_frsize < needed:
            raise StageError("no-room", f"{self.root}: {needed >> 20} MB are needed; make room there")


def _fill(source: Path, idle: Path, part: str) -> Iterator[tuple[str, str]]:
    """A part's files from what was offered: (path within the slot, SHA-256), each once it is durable."""
    if part == "settings":
        yield f"{part}/{PACK}", _write(idle / part / PACK, iter([source.read_bytes()]))
        return
    entries = members(source)
    wheels = [each for each in entries if each.filename.endswith(".whl")]
    if part == "application" and wheels:
        if len(wheels) != len(entries):
            raise BadArchiveError(f"{source.name}: holds wheels and other files; allowed are wheels alone")
        for entry in wheels:
            inner = idle / f".{part}.whl"
            _write(inner, contents(source, entry))
            yield from _unpack(inner, idle, part)
            inner.unlink()
        return
    yield from _unpack(source, idle, part)


def _unpack(source: Path, idle: Path, part: str) -> Iterator[tuple[str, str]]:
    for entry in members(source):
        path = f"{part}/{entry.filename}"
        yield path, _write(idle / path, contents(source, entry))
        if part == "application" and path.endswith(".py"):
            yield _compile(idle, path)


def _compile(idle: Path, path: str) -> tuple[str, str]:
    """Python's own copy of a source file, made now: one that a start leaves half written would be taken for good."""
    try:
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        made = Path(py_compile.compile(str(idle / path), doraise=True, invalidation_mode=mode) or "")
    except (py_compile.PyCompileError, ValueError) as error:
        raise BadArchiveError(f"{path}: is no Python of this computer: {str(error).splitlines()[-1]}") from error
    with made.open("rb") as file:
        os.fsync(file.fileno())
    return str(made.relative_to(idle)), hashlib.sha256(read_back(made)).hexdigest()


def _copy(good: Path, slot: Slot, idle: Path, part: str) -> Iterator[tuple[str, str]]:
    """A part that the release does not bring, as the good slot has it."""
    for path, sha in slot.files.items():
        if path.split("/")[0] == part:
            with (good / path).open("rb") as file:
                written = _write(idle / path, iter(lambda: file.read(1 << 16), b""))
            if written != sha:
                raise OSError(None, "a file of the release that runs is damaged", str(good / path))
            yield path, sha


def _write(path: Path, pieces: Iterator[bytes]) -> str:
    """A file, durable and read back; its SHA-256.  Raises: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256()
    with path.open("wb") as file:
        for piece in pieces:
            wanted.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if hashlib.sha256(read_back(path)).hexdigest() != wanted.hexdigest():
        raise OSError(None, "was read back other than it was written", str(path))
    return wanted.hexdigest()
