"""Builds the parts of a base from its settings: each is a step that a loop drives, and a way to close it."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trapbase import gateway, ingest, receipts
from trapbase.config import Settings, frame_bytes
from trapbase.cutter import Cutter
from trapbase.forward import Forward
from trapbase.gateway import Gateway
from trapbase.ingest import Ingest
from trapbase.keyring import Keyring, read_hop_keys
from trapbase.modem import FILE as MODEM
from trapbase.modem import ModemLine
from trapbase.pieces import PieceMemory
from trapbase.receipts import Receipts
from trapbase.request_store import RequestStore
from trapbase.requests import Requests
from trapbase.store import Store
from trapbase.tus import TusOutlet
from trapbase.upload import Uploader
from trapkit.bus import Bus
from trapkit.errors import SetupError, StorageError
from trapkit.files import lock_folder, refusal, write_atomically
from trapkit.sealing import read_key
from trapkit.serialport import SerialPort
from trapwire.basewords import BaseWords
from trapwire.errors import FORGED, NO_KEY, OLD_VERSION, REPLAYED
from trapwire.frame import Counter
from trapwire.hopbase import HopBaseLink

COUNTER = "radio-counter"  # the base's frame counter: the first value that no earlier run reserved
HEARD = "radio-heard"  # the highest counter heard of each trap, against replays
PIECES = "radio-pieces"  # of objects that are not whole yet
EPOCH_2020_S = 1_577_836_800
CLOCK_SET_S = 1_767_225_600  # 2026-01-01: a clock before it was never set
REFUSED_WITHIN_MS = 600_000  # a trap of which only refused frames came is pointed out for as long
PATIENCE_S = 300.0  # one turn of a part: a card that is failing takes half a minute for a commit
WAITS = 16  # for the back end in one turn of `forward`: four questions, each asked twice, a connection and an answer
COUNTER_LOST = "write a number there that is above every one it had; never take the file away: counters go only up"


@dataclass(frozen=True, kw_only=True)
class Part:
    """`step(now_ms, utc_ms)` says whether anything moved; without it the loop waits `idle_s`. `trouble()` says in
    words what is wrong now, or nothing; `figures()`: its counts since it was started. One step takes `patience_s` at
    the most: a part that takes longer hangs."""

    step: Callable[[int, int], bool]
    trouble: Callable[[], str]
    close: Callable[[], None]
    idle_s: float
    figures: Callable[[], dict[str, int]] = dict
    patience_s: float = PATIENCE_S


def build_gateway(settings: Settings) -> Part:
    """Modem and bus.  Raises: SetupError."""
    lock = _lock(settings, "gateway")
    counter_path = Path(settings.folder) / COUNTER
    keys = Path(settings.gateway.keys)
    keyring = Keyring(keys, Path(settings.folder) / HEARD, [trap.number for trap in settings.trap])
    first = max(_read_counter(counter_path), _counter_by_clock(time.time()))
    words = BaseWords(settings.gateway.sf, settings.gateway.modem_wait_ms)
    link = HopBaseLink(
        read_hop_keys(keys, keyring.keys),
        settings.gateway.sf,
        keyring.keys,
        frame_bytes(settings.gateway),
        Counter(first, lambda end: _write_counter(counter_path, end)),
        settings.gateway.commit_wait_ms,
        (settings.gateway.sf, settings.gateway.quick_sf) if settings.gateway.quick_sf else None,
        words,
    )
    line = SerialPort(settings.gateway.serial, baud=settings.gateway.baud)
    modem = ModemLine(line, Path(settings.folder) / MODEM)
    bus = _bus(settings, "gateway", gateway.SUBSCRIPTIONS)
    memory = PieceMemory(Path(settings.folder) / PIECES)
    part = Gateway(
        link,
        modem,
        bus,
        base=settings.name,
        republish_ms=settings.gateway.republish_ms,
        memory=memory,
        words=words,
        clock_uncertainty_ms=settings.gateway.clock_uncertainty_ms or None,
    )
    part.recall(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)
    bus.start()
    now = 0

    def step(now_ms: int, utc_ms: int) -> bool:
        nonlocal now
        now = now_ms
        keyring.step(now_ms)
        moved = part.step(now_ms, utc_ms)
        modem.step(now_ms, utc_ms)
        return moved

    def trouble() -> str:
        of_line = "" if line.is_open else f"modem: {line.last_error}"
        refused = [_refused(trap, cause, keys) for trap, cause in link.refusals(now, REFUSED_WITHIN_MS)]
        # All may be so at once, after a power cut say; none may hide another.
        return part.storage_error or "; ".join(
            filter(None, (of_line, _bus_trouble(bus), keyring.trouble, memory.trouble, *refused))
        )

    close = _closing(keyring.close, bus.stop, lock.close)
    return Part(step=step, trouble=trouble, close=close, idle_s=0.01, figures=lambda: part.counters | _bus_figures(bus))


def build_ingest(settings: Settings) -> Part:
    """Bus and store.  Raises: SetupError."""
    lock = _lock(settings, "ingest")
    bus = _bus(settings, "ingest", ingest.SUBSCRIPTIONS)
    store = _store(settings)
    kept = RequestStore(Path(settings.folder))
    room = settings.ingest.pieces_mb << 20
    part = Ingest(bus, store, group=settings.ingest.group, requests=kept, room_bytes=room)
    asked = Requests(bus, kept)
    bus.start()
    close = _closing(bus.stop, kept.close, store.close, lock.close)

    def step(now_ms: int, utc_ms: int) -> bool:
        asked.step(now_ms, utc_ms)
        return part.step(now_ms, utc_ms)

    def trouble() -> str:
        return part.last_error or asked.storage_error or _bus_trouble(bus)

    return Part(step=step, trouble=trouble, close=close, idle_s=0.02, figures=lambda: _bus_figures(bus))


def build_forward(settings: Settings) -> Part:
    """Store, back end and bus.  Raises: SetupError."""
    lock = _lock(settings, "forward")
    secret = read_key(Path(settings.box_key), "the key that opens crops") if settings.box_key else None
    bus = _bus(settings, "forward", receipts.SUBSCRIPTIONS)
    store = _store(settings)
    cutter = Cutter(store, {trap.number: trap for trap in settings.trap}, settings.batch, secret, settings.cards)
    closers = [bus.stop, store.close, lock.close]
    uploader = down = None
    if settings.upload.url:
        key = read_key(Path(settings.upload.public_key), "the back end's public key")
        outlet = TusOutlet(settings.upload.url, settings.upload.timeout_s)
        closers.insert(0, outlet.close)
        uploader = Uploader(store, cutter, outlet, settings.upload, random.random)
        down = Receipts(store, uploader, outlet, bus, key, settings.upload)
    part = Forward(cutter, uploader, down)
    bus.start()

    def trouble() -> str:
        of_upload = uploader.last_error if uploader else ""
        of_receipts = down.last_error if down else ""
        return part.storage_error or _bus_trouble(bus) or of_upload or of_receipts

    return Part(
        step=part.step,
        trouble=trouble,
        close=_closing(*closers),
        idle_s=0.05,
        figures=lambda: _bus_figures(bus),
        patience_s=PATIENCE_S + WAITS * settings.upload.timeout_s,
    )


def _bus(settings: Settings, program: str, subscriptions: tuple[str, ...]) -> Bus:
    folder = Path(settings.bus.certificates)
    return Bus(
        settings.bus.host,
        settings.bus.port,
        folder / "ca.crt",
        folder / f"{program}.crt",
        folder / f"{program}.key",
        f"{settings.name}-{program}",
        subscriptions,
    )


def _bus_trouble(bus: Bus) -> str:
    if not bus.connected:
        return bus.last_error or "bus: not connected yet"
    return bus.last_error if bus.denied or bus.unsteady else ""


def _bus_figures(bus: Bus) -> dict[str, int]:
    return {"bus_connected": int(bus.connected), "bus_denied": bus.denied, "bus_malformed": bus.malformed}


def _store(settings: Settings) -> Store:
    try:
        return Store(Path(settings.folder), Path(settings.unit_keys))
    except OSError as error:
        raise SetupError(f"key 'folder' is {settings.folder!r}: cannot be used: {error.strerror}") from error


def _lock(settings: Settings, part: str) -> IO[str]:
    try:
        return lock_folder(Path(settings.folder), f"trapbase-{part}")
    except OSError as error:
        raise SetupError(f"key 'folder' is {settings.folder!r}: cannot be used: {error.strerror}") from error


def _read_counter(path: Path) -> int:
    """The counter's first free value.  Raises: SetupError rather than start again at a value that was used."""
    if not path.exists():
        return 0
    try:
        value = int(path.read_text())
    except (OSError, ValueError) as error:
        raise SetupError(f"{path}: is not a counter ({error}); {COUNTER_LOST}") from error
    if not 0 <= value <= 0xFFFFFFFF:
        raise SetupError(f"{path}: {value} is not a 32-bit counter; {COUNTER_LOST}")
    return value


def _counter_by_clock(utc_s: float) -> int:
    """Seconds since 2020, where the clock is set: above every counter that this base can have used.

    A base that came back from a backup, or lost the counter's file, so never uses one twice: it sends less than a frame
    a second. A clock that was never set helps nobody, and harms nobody: then the file alone counts.
    """
    since = int(utc_s) - EPOCH_2020_S
    return since if utc_s >= CLOCK_SET_S and since < 1 << 31 else 0


def _refused(trap: int, cause: str, keys: Path) -> str:
    """What is wrong with a trap of which only frames come that are refused; nothing, where it is the air."""
    renew = f"give it a new one: trapship keys {keys.parent} --renew {trap}"
    words = {
        OLD_VERSION: "speaks another version of the radio protocol; give it this version's firmware and its key",
        NO_KEY: f"has no link key here: there is no {keys / f'{trap}.key'}",
        FORGED: f"speaks under another link key than {keys / f'{trap}.key'}, or somebody speaks in its name",
        REPLAYED: f"is heard with old frame counters: its flash is new and its key is not ({renew}), or somebody "
        "plays its frames again",
    }
    return f"trap {trap} {words[cause]}" if cause in words else ""


def _write_counter(path: Path, end: int) -> None:
    try:
        write_atomically(path, f"{end}\n".encode())
    except OSError as error:
        raise StorageError(refusal(path, error)) from error


def _closing(*closers: Callable[[], None]) -> Callable[[], None]:
    def close() -> None:
        for closer in closers:
            closer()

    return close
