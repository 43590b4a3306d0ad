"""`trapbase restore BACKUP`: a base comes back, and never says again what it may have said since the backup was made.

The rule, and why: deploy/decisions/018. In short: everything is verified before a byte of the base is replaced; what is
there is set aside, not overwritten; the frame counter, the receipts' and the commands' numbers leap; what people had
asked of traps is let go; then the running base asks the back end and the traps for what the backup does not have
(`reconcile`, `recall`).
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

from trapbase.custody import snapshot
from trapbase.custody.backup import HEARD
from trapbase.custody.bodies import DAMAGED, MISSING, Bodies
from trapbase.custody.layout import MEDIA, Manifest, name_for, read_manifest
from trapbase.custody.snapshot import Snapshot
from trapbase.media import read_from
from trapbase.radio_counter import COUNTER, MAX_COUNTER, counter_by_clock, read_counter, write_counter
from trapbase.store import DATABASE
from trapkit.database import load_queries, open_database, transaction
from trapkit.errors import SetupError, StorageError
from trapkit.files import fsync_folder, lock_folder, refusal, write_atomically

PARTS = ("gateway", "ingest", "forward")  # that must not run on what is replaced
GROUP = 64  # bodies between two words of progress
LEAP_FRAMES = 1 << 26  # two years of a frame a second: more than any base sent since its backup
LEAP_RECEIPTS = 1 << 20  # of 24 bits: a quarter of a year of the most that 40 traps can have
LEAP_REQUESTS = 1 << 15  # half of the 16 bits that go by radio: farthest from what was used last
MAX_RECEIPTS = (1 << 24) - 1


@dataclass(kw_only=True)
class Restored:
    """How far it is: bodies `verified` and `copied` of the manifest's `media`; `aside`: where what was there lies now;
    `counter`: the frame counter from now on; `let_go`: settings that people had asked for and must ask for again;
    `done`: the base is back."""

    manifest: Manifest
    verified: int = 0
    copied: int = 0
    aside: Path | None = None
    counter: int = 0
    let_go: int = 0
    done: bool = False


def restore(backup: Path, folder: Path, utc_ms: int, *, replace: bool = False) -> Iterator[Restored]:
    """Bring the base in `folder` back from `backup`, step by step. `replace`: what lies in `folder` is set aside beside
    it; without, the folder must be new or empty.

    Raises: SetupError: the backup is not whole, the folder is in use, or not empty; StorageError: a disk refuses. In
    both cases `folder` is as it was.
    """
    state = Restored(manifest=read_manifest(backup))
    if folder.exists() and not folder.is_dir():
        raise SetupError(f"key 'folder' is {str(folder)!r}: is no folder")
    filled = folder.is_dir() and any(folder.iterdir())
    if filled and not replace:
        raise SetupError(f"{folder}: is not empty; --replace sets what is there aside and keeps it")
    with ExitStack() as held:
        if filled:
            for part in PARTS:
                held.enter_context(closing(lock_folder(folder, f"trapbase-{part}")))
        try:
            yield from _verify(backup, state)
            state.counter = _next_counter(state.manifest.counter, folder, utc_ms)
            beside = folder.with_name(f".{folder.name}.restoring")
            if beside.exists():
                shutil.rmtree(beside)  # an earlier try broke off
            yield from _build(backup, beside, state, utc_ms)
            _put_in_place(beside, folder, state, utc_ms, filled=filled)
        except OSError as error:
            raise StorageError(f"restore: {refusal(Path(error.filename or folder), error)}") from error
    state.done = True
    yield state


def _verify(backup: Path, state: Restored) -> Iterator[Restored]:
    database, manifest = backup / DATABASE, state.manifest
    if not database.is_file():
        raise SetupError(f"{database}: is missing; take another backup")
    if snapshot.digest_of(database) != manifest.sha256:
        raise SetupError(f"{database}: is not what {backup.name} says it is: it is damaged; take another backup")
    snapshot.check(database)
    yield state
    lost = 0
    with closing(Snapshot(database)) as made:
        for sha256, size in made.needed():
            body = read_from(backup.parent / MEDIA, sha256)
            lost += body is None or len(body) != size
            state.verified += 1
            if state.verified % GROUP == 0:
                yield state
    if state.verified != manifest.media or lost > manifest.missing:
        raise SetupError(
            f"{backup.parent / MEDIA}: {lost} of {manifest.media} media are missing or damaged, and the base itself "
            f"lacked {manifest.missing} when it was made; take another backup"
        )


def _next_counter(of_backup: int, folder: Path, utc_ms: int) -> int:
    """Above every frame counter that can have been used: by the backup, by what lies in the folder, by the clock."""
    there = 0
    with suppress(SetupError):  # damaged: the leap is above it too
        there = read_counter(folder / COUNTER)
    value = max(of_backup, there, counter_by_clock(utc_ms / 1000)) + LEAP_FRAMES
    if value > MAX_COUNTER - LEAP_FRAMES:
        raise SetupError(
            f"the base's frame counter is used up ({value}): give every trap a new link key "
            "(trapship keys --renew), then write 0 as `counter` into backup.json, and into radio-counter if it is there"
        )
    return value


def _build(backup: Path, beside: Path, state: Restored, utc_ms: int) -> Iterator[Restored]:
    """The whole base in a folder beside its place."""
    beside.mkdir(mode=0o700, parents=True)
    shutil.copyfile(backup / DATABASE, beside / DATABASE)
    (beside / DATABASE).chmod(0o600)
    bodies = Bodies(beside / MEDIA)
    (beside / MEDIA).mkdir(mode=0o700)
    with closing(Snapshot(backup / DATABASE)) as made:
        for sha256, size in made.needed():
            became = bodies.take(backup.parent / MEDIA, sha256, size)
            state.copied += became not in (MISSING, DAMAGED)
            if state.copied % GROUP == 0:
                yield state
    bodies.sync()
    with suppress(FileNotFoundError):
        # Only ever too low: frames that are newer are taken, those of before the backup refused.
        write_atomically(beside / HEARD, (backup / HEARD).read_bytes(), mode=0o600)
    write_counter(beside / COUNTER, state.counter)
    with closing(open_database(beside / DATABASE, "trapbase")) as db:
        state.let_go = _leap(db, state.manifest.made_ms, utc_ms)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    fsync_folder(beside)
    yield state


def _leap(db: sqlite3.Connection, backup_ms: int, utc_ms: int) -> int:
    """Numbers that were given since the backup are not given again; how many settings were let go."""
    sql = load_queries("trapbase", "restore.sql")
    with transaction(db):
        used = int(db.execute(sql["last_receipt"]).fetchone()[0])
        db.execute(sql["leap"], (min(LEAP_RECEIPTS, (MAX_RECEIPTS - used) // 2), "receipts"))
        db.execute(sql["leap"], (LEAP_REQUESTS, "requests"))
        # What was asked for last week must not change a trap today: whoever asked may have changed it since.
        let_go = db.execute(sql["let_go_settings"], (utc_ms,)).rowcount
        db.execute(sql["mark_outboxes"])
        db.execute(sql["add_restore"], (backup_ms, utc_ms))
    return let_go


def _put_in_place(beside: Path, folder: Path, state: Restored, utc_ms: int, *, filled: bool) -> None:
    if filled:
        stem = f"{folder.name}.before-{name_for(utc_ms)}"
        free = (folder.with_name(stem if n == 1 else f"{stem}-{n}") for n in range(1, 1000))
        state.aside = next(path for path in free if not path.exists())
        folder.rename(state.aside)
    elif folder.is_dir():
        folder.rmdir()
    beside.rename(folder)
    fsync_folder(folder.parent)
