"""From the settings to the base's part for updates."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trapbase.cardbook import CardBook
from trapbase.config import Settings
from trapbase.places import Places
from trapbase.reader import Reader
from trapbase.shutout import watched_traps
from trapbase.updates.fetch import Fetch, OwnClock, Spawn, in_thread, read_root, source_of
from trapbase.updates.kept import MIRROR, UpdateStore
from trapbase.updates.serve import MirrorServer
from trapbase.updates.steward import Steward
from trapkit.sealing import read_key

NAME = "updates"


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a loop drives; `server`: where releases are served by the network."""

    fetch: Fetch
    steward: Steward
    server: MirrorServer | None
    close: Callable[[], None]

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """Look for releases, then decide who may take the one that shall run."""
        if self.fetch.step(now_ms, utc_ms):
            self.steward.soon()
        return self.steward.step(now_ms, utc_ms)

    def trouble(self) -> str:
        """What is wrong now, in words."""
        stopped = "serves no unit any more" if self.server is not None and not self.server.alive else ""
        return "; ".join(filter(None, (self.steward.trouble, self.fetch.trouble, stopped)))


def check(settings: Settings) -> None:
    """Whether all keys are there.  Raises: SetupError."""
    if settings.updates.source:
        read_root(settings.updates)
        read_key(Path(settings.updates.permit_key), "the key that signs permissions (updates.permit_key)")


def build(settings: Settings, spawn: Spawn = in_thread) -> Built:
    """Nothing is served yet: `server.start()`.  Raises: SetupError, StorageError."""
    updates, base = settings.updates, Path(settings.folder)
    root = read_root(updates)
    seed = read_key(Path(updates.permit_key), "the key that signs permissions (updates.permit_key)")
    secret = read_key(Path(settings.box_key), "the key that opens crops") if settings.box_key else None
    listed = {trap.number: trap for trap in settings.trap}
    shut_out = watched_traps(settings.revoked, settings.operator_key)
    book: CardBook | None = None

    def places(reader: Reader) -> Places:
        nonlocal book
        book = book or CardBook(reader, secret, listed, settings.cards, shut_out)
        return book.current()

    kept = UpdateStore(base)
    clock = OwnClock(base, fixed=settings.gateway.clock_uncertainty_ms > 0)
    steward = Steward(base, base / MIRROR, seed, updates, kept, places)
    fetch = Fetch(base, updates, kept, clock, root, source_of(updates), spawn)
    server = MirrorServer(base / MIRROR, updates, Path(settings.bus.certificates)) if updates.port else None

    def close() -> None:
        if server is not None:
            server.close()
        steward.close()
        kept.close()

    return Built(fetch=fetch, steward=steward, server=server, close=close)
