"""From an outlet's settings to its step."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from trapbase.config import Settings
from trapbase.cutter import Cutter
from trapbase.gate import Gate
from trapbase.outlet_settings import EARTHRANGER, FOLDER, WEBHOOK, OutletSettings
from trapbase.outlets.earthranger import EarthRanger, check_token
from trapbase.outlets.folder import FolderOutlet, free_bytes
from trapbase.outlets.gather import Gatherer
from trapbase.outlets.post import Kind, PostLine, Sender
from trapbase.outlets.poster import Poster
from trapbase.outlets.queue import OutletQueue
from trapbase.outlets.webhook import Webhook, signature
from trapbase.store import Store
from trapkit.errors import SetupError
from trapkit.sealing import read_key

MAX_KEY_BYTES = 16_384


@dataclass(frozen=True, kw_only=True)
class Built:
    """An outlet, and what must be closed after it."""

    part: Poster | FolderOutlet
    close: Callable[[], None]


def build_outlet(
    settings: Settings,
    outlet: OutletSettings,
    sender: Sender | None = None,
    chance: Callable[[], float] = random.random,
) -> Built:
    """One outlet of a base; `sender`: in place of HTTP.  Raises: SetupError."""
    folder = Path(settings.folder)
    store = Store(folder, Path(settings.unit_keys))
    queue = OutletQueue(folder, outlet.name)
    gate = Gate(outlet, chance, ZoneInfo(settings.zone), queue)
    secret = read_key(Path(settings.box_key), "the key that opens crops") if settings.box_key else None
    cutter = Cutter(store, {trap.number: trap for trap in settings.trap}, settings.batch, secret, settings.cards)
    closers = [queue.close, store.close]
    part: Poster | FolderOutlet
    if outlet.kind == FOLDER:
        key = read_key(Path(settings.upload.public_key), "the back end's public key")
        part = FolderOutlet(outlet, queue, store, cutter.path, key, gate, free_bytes)
    else:
        if sender is None:
            line = PostLine(outlet.name, outlet.url.rstrip("/"), outlet.timeout_s, gate.count)
            closers.insert(0, line.close)
            sender = line
        to_jpeg, kind = _kind(settings, outlet)
        part = Poster(
            outlet,
            queue,
            Gatherer(settings.name, outlet, store, queue, cutter, secret, to_jpeg),
            kind,
            sender,
            gate,
            known=lambda: cutter.places().known(),
            # Without a key no crop can be opened, and there is nothing to wait for.
            wait_ms=round(settings.batch.max_wait_s * 1000) if outlet.picture and secret is not None else None,
            secret=lambda: read_secret(Path(outlet.key_file)),
            chance=chance,
        )

    def close() -> None:
        for closer in closers:
            closer()

    return Built(part=part, close=close)


def _kind(settings: Settings, outlet: OutletSettings) -> tuple[Callable[[bytes], bytes | None], Kind]:
    if outlet.kind != EARTHRANGER:
        return lambda data: None, Webhook(settings.batch.classified_by)
    # Pillow costs 10 MB that a base without EarthRanger does not need.
    from trapbase.outlets.jpeg import blank, to_jpeg

    return to_jpeg, EarthRanger(outlet.provider, blank())


def check_keys(outlets: Iterable[OutletSettings], public_key: Path) -> None:
    """Whether each outlet's key can be used; `public_key`: the back end's.  Raises: SetupError naming the outlet."""
    for outlet in outlets:
        try:
            if outlet.kind == FOLDER:
                read_key(public_key, "the back end's public key")
            elif outlet.kind == WEBHOOK:
                signature(read_secret(Path(outlet.key_file)), b"")
            else:
                check_token(read_secret(Path(outlet.key_file)))
        except SetupError as error:
            raise SetupError(f"outlet {outlet.name!r}: {error}") from error


def read_secret(path: Path) -> str:
    """The text of a key file, read anew for every request: a new one needs no restart.  Raises: SetupError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_KEY_BYTES + 1)
        text = data.decode("ascii").strip()
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SetupError(f"{path}: it is not plain text") from error
    if not text or len(data) > MAX_KEY_BYTES:
        raise SetupError(f"{path}: it is empty, or over {MAX_KEY_BYTES} bytes")
    return text
