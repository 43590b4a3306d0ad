"""How much room media take: beyond it, bytes of what the back end has signed for go, the largest kinds first.

    full frames   go first, the oldest of them first
    frames, scenes
    crops         go last

Never goes what the back end has not signed for; alerts and notes stay; rows stay. Media are all other bodies, in files
or, the small ones, in their rows. What is over is the greater of two: media beyond `store.quota_gb`, and what the disk
has less than `store.free_mb` free. What a body in its row leaves is the database's, which fills it again before its
file grows: it counts as free. What came longer ago than `store.keep_days` goes too.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trapbase.custody.room_store import RoomStore, Spare
from trapbase.media import MediaFolder
from trapbase.store_settings import StoreSettings
from trapkit.errors import StorageError
from trapwire.objects import CROP, FRAME, FULLS, SCENE

ORDER = (*FULLS, FRAME, SCENE, CROP)  # of kinds, what goes first at the left
GROUP = 256  # files in one step: ingest waits for no more
LOOK_EVERY_MS = 60_000
EARLY = 0.8  # of the room: a person should know
DAY_MS = 86_400_000


def free_bytes(folder: Path) -> int:
    """What this program may still write to the disk of `folder`.  Raises: OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


@dataclass(frozen=True, kw_only=True, slots=True)
class Fill:
    """Bytes: of media here, of these signed for, and the most that there may be; `by_disk`: the disk says so, and not
    the quota."""

    media: int
    spare: int
    most: int
    by_disk: bool

    @property
    def over(self) -> int:
        """What must go."""
        return max(0, self.media - self.most)


def most_bytes(media: int, free: int | None, settings: StoreSettings) -> tuple[int, bool] | None:
    """The most bytes of media that may lie here, and whether the disk bounds them; None: nothing does.

    `free`: what the disk has left, None where it cannot be asked.
    """
    bounds = []
    if settings.quota_gb:
        bounds.append((round(settings.quota_gb * 1e9), False))
    if free is not None and settings.free_mb:
        bounds.append((max(0, media + free - (settings.free_mb << 20)), True))
    return min(bounds, default=None)


def words(fill: Fill, settings: StoreSettings) -> str:
    """What a person should know of the room, or nothing."""
    kept = fill.media - fill.spare  # what must stay
    where = f"store.free_mb ({settings.free_mb} MiB)" if fill.by_disk else f"store.quota_gb ({settings.quota_gb:g} GB)"
    if kept > fill.most:
        return (
            f"media: {where} is passed and nothing more may go: {_gb(kept)} GB wait for the back end's signature; "
            "see why it does not sign, or make room"
        )
    if kept >= EARLY * fill.most and fill.most:
        share = round(100 * kept / fill.most)
        return f"media: what the back end has not signed for fills {share} % of the room that {where} leaves"
    return ""


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f}"


class Quota:
    """The step that gives files up. `free`: asks the disk."""

    def __init__(
        self,
        store: RoomStore,
        media: MediaFolder,
        folder: Path,
        settings: StoreSettings,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._store = store
        self._media = media
        self._folder = folder
        self._settings = settings
        self._free = free
        self._look_ms: int | None = None
        self.trouble = ""
        self.given_up = 0  # bodies since the start

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """Look at the room when it is due, and give up a group of files; whether any went. `now_ms` never goes back."""
        if self._look_ms is not None and now_ms < self._look_ms:
            return False
        try:
            if self._look_ms is None:
                self._unlink(self._store.last_given_up())
            self._look_ms = now_ms + LOOK_EVERY_MS
            going = self._going(utc_ms)
            if not going:
                return False
            self._unlink(self._store.give_up(going, utc_ms))
        except StorageError as error:
            self.trouble = str(error)
            return False
        self._look_ms = now_ms  # there may be more
        return True

    def _going(self, utc_ms: int) -> list[Spare]:
        media = self._store.media_bytes()
        bound = most_bytes(media, self._free_bytes(), self._settings)
        self.trouble = ""
        over = 0
        if bound is not None:
            most, by_disk = bound
            spare = self._store.spare_bytes() if media >= EARLY * most else media
            fill = Fill(media=media, spare=spare, most=most, by_disk=by_disk)
            self.trouble, over = words(fill, self._settings), fill.over
        before_ms = utc_ms - self._settings.keep_days * DAY_MS
        going: list[Spare] = []
        room = 0
        for rung in ORDER if over or self._settings.keep_days else ():
            for each in self._store.spare(rung, GROUP):
                old = self._settings.keep_days and each.stored_ms < before_ms
                if len(going) < GROUP and (old or room < over):
                    going.append(each)
                    room += each.size
        return going

    def _free_bytes(self) -> int | None:
        try:
            return self._free(self._folder) + self._store.free_bytes()
        except OSError:
            return None  # it says so itself, when it is written to

    def _unlink(self, digests: list[bytes]) -> None:
        for sha256 in digests:
            with suppress(OSError):  # what cannot be removed is named by `trapbase verify`
                self._media.path(sha256).unlink()
            self.given_up += 1
