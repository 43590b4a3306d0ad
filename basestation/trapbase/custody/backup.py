"""`trapbase backup DIR`, and the backups that a running base makes by itself: the format stands in `layout`.

A backup is made in a folder of another name and gets its own when all is there, verified and on the disk: one that
broke off is never taken for one. Bodies are copied once for all backups beside it.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from trapbase.custody import snapshot
from trapbase.custody.bodies import DAMAGED, MISSING, TAKEN, Bodies
from trapbase.custody.layout import MANIFEST, MEDIA, VERSION, Manifest, backups_in, name_for
from trapbase.custody.snapshot import Snapshot
from trapbase.media import path_in
from trapbase.radio_counter import COUNTER, read_counter
from trapbase.store import DATABASE
from trapkit.errors import SetupError, StorageError
from trapkit.files import fsync_folder, lock_folder, refusal, write_atomically

HEARD = "radio-heard"  # the highest counter heard of each trap, against replays
PROGRAM = "trapbase-backup"
GROUP = 64  # bodies between two words of progress
MAX_NAMED = 1000  # bodies that the base has lost, by name


@dataclass(kw_only=True)
class Progress:
    """How far a backup is: bodies looked at of `media`, of these `copied` now; `lost`: digests of those that the base
    itself has lost; `path`: the whole backup, when it is done; `removed`: old backups that made room."""

    media: int = 0
    looked: int = 0
    copied: int = 0
    lost: list[str] | None = None
    path: Path | None = None
    removed: int = 0


def make_backup(folder: Path, target: Path, base: str, utc_ms: int, keep: int | None) -> Iterator[Progress]:
    """Back up the base in `folder`, running or not, into the folder of backups `target`; of older ones so many stay
    that there are `keep`, None: all. Says after each small step how far it is: whoever wants it done takes them all.

    Raises: SetupError; StorageError when a disk refuses: what was begun is not taken for a backup, and bodies that were
    copied need not be again.
    """
    if not (folder / DATABASE).is_file():
        raise SetupError(f"{folder / DATABASE}: is not there; has `trapbase run` been started on this folder?")
    if target.resolve().is_relative_to(folder.resolve()):
        raise SetupError(f"{target}: lies in the base's own folder and would be lost with it; name another")
    try:
        lock = lock_folder(target, PROGRAM)
    except OSError as error:
        raise StorageError(f"backup: {refusal(target, error)}") from error
    with closing(lock):
        try:
            yield from _make(folder, target, base, utc_ms, keep)
        except OSError as error:
            raise StorageError(f"backup: {refusal(Path(error.filename or target), error)}") from error


def _make(folder: Path, target: Path, base: str, utc_ms: int, keep: int | None) -> Iterator[Progress]:
    for broken in target.glob(".*.part"):
        shutil.rmtree(broken)  # nobody else makes one here: we hold the lock
    path = _free_name(target, utc_ms)
    part = target / f".{path.name}.part"
    part.mkdir(mode=0o700)
    snapshot.take(folder, part / DATABASE)
    progress = Progress(lost=[])
    yield progress
    yield from _copy(folder, target, part, utc_ms, progress)
    with suppress(FileNotFoundError):
        write_atomically(part / HEARD, (folder / HEARD).read_bytes(), mode=0o600)
    with closing(Snapshot(part / DATABASE)) as made:
        schema, objects, media, size = made.count()
    manifest = Manifest(
        version=VERSION,
        base=base,
        made_ms=utc_ms,
        schema=schema,
        sha256=_settled(part / DATABASE),
        objects=objects,
        media=media,
        media_bytes=size,
        missing=len(progress.lost or ()),
        counter=read_counter(folder / COUNTER),
    )
    write_atomically(part / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n", mode=0o600)
    part.replace(path)
    fsync_folder(target)
    progress.path = path
    yield progress
    if keep is not None:
        yield from _prune(target, keep, progress)


def _free_name(target: Path, utc_ms: int) -> Path:
    name = name_for(utc_ms)
    names = (name, *(f"{name}-{n}" for n in range(2, 1000)))
    return next(target / n for n in names if not (target / n).exists())


def _settled(path: Path) -> str:
    """Make a database durable; its digest."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return snapshot.digest_of(path)


def _copy(folder: Path, target: Path, part: Path, utc_ms: int, progress: Progress) -> Iterator[Progress]:
    bodies = Bodies(target / MEDIA)
    given_up: list[bytes] = []
    with closing(Snapshot(part / DATABASE)) as made:
        progress.media = made.count()[2]
        for sha256, size in made.needed():
            became = bodies.take(folder / MEDIA, sha256, size)
            progress.looked += 1
            progress.copied += became == TAKEN
            if became in (MISSING, DAMAGED):
                if _is_given_up(folder, sha256):  # meanwhile, for room
                    given_up.append(sha256)
                elif progress.lost is not None and len(progress.lost) < MAX_NAMED:
                    progress.lost.append(sha256.hex())
            if progress.looked % GROUP == 0:
                bodies.sync()
                yield progress
    bodies.sync()
    if given_up:
        with closing(sqlite3.connect(part / DATABASE)) as db:
            db.executemany("UPDATE objects SET gone_ms = ? WHERE sha256 = ?", [(utc_ms, each) for each in given_up])
            db.commit()


def _is_given_up(folder: Path, sha256: bytes) -> bool:
    with closing(sqlite3.connect(f"{(folder / DATABASE).resolve().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
        found = db.execute("SELECT gone_ms IS NOT NULL FROM objects WHERE sha256 = ?", (sha256,)).fetchall()
    return bool(found) and all(gone for (gone,) in found)


def _prune(target: Path, keep: int, progress: Progress) -> Iterator[Progress]:
    """Take the oldest backups away, and then what no backup needs any more."""
    gone = backups_in(target)[:-keep]
    if not gone:
        return
    for path in gone:
        (path / MANIFEST).unlink()  # from here on it is none
        shutil.rmtree(path)
        progress.removed += 1
    fsync_folder(target)
    yield progress
    kept = backups_in(target)
    for number in range(256):
        first = bytes((number,))
        needed: set[str] = set()
        for path in kept:
            with closing(Snapshot(path / DATABASE)) as each:
                end = bytes((number + 1,)) if number < 255 else snapshot.LAST
                needed |= {sha256.hex() for sha256, _ in each.needed(first, end)}
        shelf = path_in(target / MEDIA, first * 32).parent
        for body in shelf.iterdir() if shelf.is_dir() else ():
            if body.name not in needed:
                body.unlink()
        yield progress
