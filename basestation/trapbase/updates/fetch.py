"""Brings what the operator publishes into this base's mirror: proved as a unit proves it, in a thread beside the rest.

The mirror is what traps, phones and sticks get. A release that is new here, and is what shall run, begins a rollout.
"""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from trapbase.radio.clock import read_clock
from trapbase.update_settings import UpdateSettings
from trapbase.updates.kept import MIRROR, UpdateStore
from trapkit.errors import SetupError, StorageError
from trapkit.files import refusal
from trapkit.kernelclock import KernelClock
from trapkit.update.httpsource import HttpSource
from trapkit.update.mirror import Mirrored, mirror
from trapkit.update.offer import Refused
from trapkit.update.sources import FolderSource, Source
from trapkit.update.timefloor import Clock, Moment

STATE = "updates-state"  # and what the client remembers
RETRY_MS = 300_000  # at the latest after something broke off
QUIET_MS = 86_400_000  # a network that is away for a day is no trouble yet; a stick that is not in is none at all
SOON_MS = 14 * 86_400_000  # before the lists are over
MAX_ROOT_BYTES = 1 << 17
Spawn = Callable[[Callable[[], None]], None]


def in_thread(work: Callable[[], None]) -> None:
    """A slow source must hold nobody up; a daemon, for the base may end while it waits."""
    threading.Thread(target=work, name="updates-fetch", daemon=True).start()


def source_of(settings: UpdateSettings) -> Source:
    """Where the settings say that releases lie."""
    if "://" in settings.source:
        return HttpSource(settings.source, timeout_s=settings.timeout_s)
    return FolderSource(Path(settings.source))


def read_root(settings: UpdateSettings) -> bytes:
    """The releases' first trusted root.  Raises: SetupError."""
    path = Path(settings.root)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ROOT_BYTES + 1)
    except OSError as error:
        raise SetupError(f"key 'updates.root' is {settings.root!r}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_ROOT_BYTES:
        raise SetupError(f"key 'updates.root' is {settings.root!r}: is over {MAX_ROOT_BYTES} bytes, and no root.json")
    return data


class OwnClock:
    """This machine's clock, as the client wants it: believed where somebody keeps it right, or by its operator's word
    (`fixed`), or as long as the gateway knows how far it may be off."""

    def __init__(self, base: Path, *, fixed: bool) -> None:
        self._base = base
        self._fixed = fixed
        self._kernel = KernelClock()

    def read(self) -> Moment:
        """The time now."""
        known = self._fixed or self._kernel.read().synced
        if not known:
            state = read_clock(self._base)
            known = state is not None and state.get("uncertainty_ms") is not None
        return Moment(time.time_ns() // 1_000_000, known)

    def monotonic_ms(self) -> int:
        """A count that nobody sets."""
        return time.monotonic_ns() // 1_000_000


class Fetch:
    """The step that looks for releases; `spawn`: runs what may wait for the source."""

    def __init__(
        self,
        base: Path,
        settings: UpdateSettings,
        kept: UpdateStore,
        clock: Clock,
        root: bytes,
        source: Source,
        spawn: Spawn = in_thread,
    ) -> None:
        self._base = base
        self._settings = settings
        self._kept = kept
        self._clock = clock
        self._root = root
        self._source = source
        self._spawn = spawn
        self._due_ms = 0
        self._busy = False
        self._found: Mirrored | None = None
        self._error: tuple[str, str] = ("", "")  # code and words
        self._good_ms: int | None = None
        self._over_ms: int | None = None
        self.trouble = ""

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """Look where it is due, and take what was found; whether a release is new. `now_ms` must never go back."""
        if self._busy:
            return False
        begun = self._taken(now_ms, utc_ms)
        if now_ms >= self._due_ms:
            self._due_ms = now_ms + round(self._settings.every_s * 1000)
            self._busy = True
            self._spawn(self._look)
        return begun

    def _look(self) -> None:
        """In its own thread: nothing of this base's database is touched."""
        try:
            folder, state = self._base / MIRROR, self._base / STATE
            self._found = mirror(self._source, folder, state, self._clock, root=self._root)
            self._error = ("", "")
        except Refused as refused:
            self._error = (refused.code, refused.words)
        except OSError as error:
            self._error = ("disk", refusal(self._base / MIRROR, error))
        finally:
            self._busy = False

    def _taken(self, now_ms: int, utc_ms: int) -> bool:
        """What the last look brought, into the tables."""
        found, self._found = self._found, None
        code, words = self._error
        if found is not None:
            self._good_ms = now_ms
        elif code:
            self._due_ms = min(self._due_ms, now_ms + RETRY_MS)
            self._error = ("", words)  # said until it is mended; counted once
        try:
            begun = found is not None and self._keep(found, utc_ms)
        except StorageError as error:
            self._found, self.trouble = found, str(error)
            return False
        if found is not None or code:
            self._over_ms = _over_ms(self._base / MIRROR)
            self.trouble = self._said(code, words, now_ms)
        if not self.trouble and self._over_ms is not None and utc_ms > self._over_ms - SOON_MS:
            day = datetime.fromtimestamp(self._over_ms // 1000, UTC)
            self.trouble = f"no unit takes the releases here after {day:%Y-%m-%d}: publish again, and bring that"
        return begun

    def _said(self, code: str, words: str, now_ms: int) -> str:
        """What a person should see of a try; nothing of a stick that is not in."""
        if not code:
            return ""
        if code == "no-source":
            away_ms = now_ms - (self._good_ms or 0)
            if "://" not in self._settings.source or away_ms < QUIET_MS:
                return ""
        return f"releases from {self._settings.source}: {words}"

    def _keep(self, found: Mirrored, utc_ms: int) -> bool:
        release = found.listed.release
        size = sum(each.length for each in found.files)
        parts = {name: part.version for name, part in release.parts.items()}
        self._kept.hold(release.release, release.serial, release.built_ms, parts, size, utc_ms)
        row = self._kept.current()
        if row is not None and row["release"] == release.release:
            return False
        self._kept.begin(release.release, utc_ms)
        return True


def _over_ms(folder: Path) -> int | None:
    """Until when the mirror's lists hold (Unix ms); None where there are none."""
    try:
        with (folder / "metadata" / "timestamp.json").open("rb") as file:
            said = json.loads(file.read(1 << 16))["signed"]["expires"]
        return round(datetime.strptime(said, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() * 1000)
    except (OSError, ValueError, KeyError, TypeError):
        return None
