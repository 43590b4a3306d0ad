"""The backups that a running base makes by itself: one when the last is old enough, in small steps beside its work."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from trapbase.custody.backup import Progress, make_backup
from trapbase.custody.layout import Manifest, backups_in, read_manifest
from trapbase.store_settings import BackupSettings
from trapkit.errors import SetupError, StorageError
from trapkit.files import refusal

RETRY_MS = 900_000  # after a disk refused, or was not there
HOUR_MS = 3_600_000


def newest_backup(folder: Path) -> Manifest | None:
    """What the newest whole backup says of itself; None where there is none, or it cannot be read."""
    with suppress(OSError, SetupError):
        found = backups_in(folder)
        return read_manifest(found[-1]) if found else None
    return None


class Backups:
    """The step that makes them, of the base in `folder`. `base`: its name."""

    def __init__(self, folder: Path, base: str, settings: BackupSettings) -> None:
        self._folder = folder
        self._base = base
        self._target = Path(settings.folder)
        self._every_ms = round(settings.every_h * HOUR_MS)
        self._keep = settings.keep
        self._look_ms = 0
        self._running: Iterator[Progress] | None = None
        self._progress: Progress | None = None
        self.made = 0
        self.trouble = ""

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """Begin one when it is due, or go on with one; whether there is more to do. `now_ms` must never go back."""
        if self._running is None:
            if now_ms < self._look_ms:
                return False
            self._look_ms = now_ms + RETRY_MS
            newest = newest_backup(self._target)
            # One from the future was made under a wrong clock and says nothing.
            if newest is not None and 0 <= utc_ms - newest.made_ms < self._every_ms:
                self._look_ms = now_ms + min(RETRY_MS, self._every_ms - (utc_ms - newest.made_ms))
                self.trouble = ""
                return False
            self._running = make_backup(self._folder, self._target, self._base, utc_ms, self._keep)
        try:
            self._progress = next(self._running)
            return True
        except StopIteration:
            self._finished(now_ms)
        except (SetupError, StorageError) as error:
            self.trouble = f"no backup could be made: {error}"
        except OSError as error:
            self.trouble = f"no backup could be made: {refusal(self._target, error)}"
        self._running = None
        return False

    def _finished(self, now_ms: int) -> None:
        self.made += 1
        self._look_ms = now_ms + self._every_ms
        lost = self._progress.lost if self._progress else None
        self.trouble = (
            f"backup: {len(lost)} media are missing or damaged in the base itself: trapbase verify" if lost else ""
        )

    def close(self) -> None:
        """One that is under way breaks off, and is none."""
        if self._running is not None:
            getattr(self._running, "close", lambda: None)()
