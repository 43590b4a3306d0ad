"""Builds the parts of a base from its settings: each is a step that a loop drives, and a way to close it."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

from trapbase import gateway, ingest, receipts
from trapbase.config import Settings, modems
from trapbase.custody.quota import Quota
from trapbase.custody.recall import Recall
from trapbase.custody.reconcile import Reconcile
from trapbase.custody.restore_store import RestoreStore
from trapbase.custody.room_store import RoomStore
from trapbase.custody.schedule import Backups
from trapbase.cutter import Cutter
from trapbase.forward import Forward
from trapbase.gate import Gate
from trapbase.gateway import Gateway
from trapbase.ingest import Ingest
from trapbase.intake.beside import Beside
from trapbase.keyring import Keyring, listened_traps
from trapbase.modem import FILE as MODEM
from trapbase.modem import ModemLine, ModemState
from trapbase.outlet_settings import UPLOAD, OutletSettings
from trapbase.outlets.build import build_outlet as make_outlet
from trapbase.outlets.queue import OutletQueue
from trapbase.pieces import PieceMemory
from trapbase.radio.build import build_radio
from trapbase.radio.clock import BaseClock
from trapbase.radio_counter import COUNTER, counter_by_clock, read_counter, write_counter
from trapbase.receipts import Receipts
from trapbase.request_store import RequestStore
from trapbase.requests import Requests
from trapbase.results.kept import ResultStore
from trapbase.results.poller import Poller
from trapbase.results.telling import Teller
from trapbase.shutout import Partners, open_list
from trapbase.store import Store
from trapbase.tus import TusOutlet
from trapbase.upload import Uploader
from trapbase.whole_receipts import WholeReceipts
from trapkit.bus import Bus
from trapkit.errors import SetupError, StorageError
from trapkit.files import lock_folder
from trapkit.kernelclock import KernelClock
from trapkit.sealing import read_key
from trapkit.serialport import SerialPort
from trapwire.errors import FORGED, NO_KEY, OLD_VERSION, REPLAYED
from trapwire.frame import Counter
from trapwire.objects import ObjectKey

HEARD = "radio-heard"  # the highest counter heard of each trap, against replays
PIECES = "radio-pieces"  # of objects that are not whole yet
REFUSED_WITHIN_MS = 600_000  # a trap of which only refused frames came is pointed out for as long
PATIENCE_S = 300.0  # one turn of a part: a card that is failing takes half a minute for a commit
WAITS = 16  # for the back end in one turn of `forward`: four questions, each asked twice, a connection and an answer


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
    folder, own = Path(settings.folder), settings.gateway
    numbers = dict.fromkeys([*(trap.number for trap in settings.trap), *listened_traps(keys)])
    shut = open_list(settings.revoked, settings.operator_key, settings.bus.certificates)
    keyring = Keyring(keys, folder / HEARD, numbers, home=own.home, gone=lambda: shut.traps)
    first = max(read_counter(counter_path), counter_by_clock(time.time()))
    counter = Counter(first, lambda end: write_counter(counter_path, end))
    used = modems(settings)
    lines = [ModemLine(SerialPort(modem.serial, baud=modem.baud), modem.sf) for modem in used]
    radio = build_radio(own, [(modem.sf, line) for modem, line in zip(used, lines, strict=True)], keyring, counter)
    state = ModemState(lines, folder / MODEM)
    bus = _bus(settings, own.certificate, gateway.SUBSCRIPTIONS if own.home else gateway.FORWARDING)
    memory = PieceMemory(folder / PIECES)
    kernel = KernelClock()
    clock = BaseClock(
        folder, fixed_ms=own.clock_uncertainty_ms, auto=own.clock == "auto", drift_ppm=own.clock_drift_ppm
    )

    def look_at_clock(now_ms: int, utc_ms: int) -> int | None:
        reading = kernel.read()
        uncertainty_ms = clock.step(reading)
        clock.write(reading)
        return uncertainty_ms

    part = Gateway(
        radio,
        bus,
        base=settings.name,
        republish_ms=own.republish_ms,
        memory=memory,
        clock=look_at_clock,
    )
    part.recall(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)
    bus.start()
    now = 0

    def step(now_ms: int, utc_ms: int) -> bool:
        nonlocal now
        now = now_ms
        shut.step(now_ms)
        keyring.step(now_ms)
        moved = part.step(now_ms, utc_ms)
        state.step(now_ms, utc_ms)
        return moved

    def trouble() -> str:
        of_lines = [f"modem: {line.trouble}" for line in lines if line.trouble]
        refused = [
            f"trap {trap} is shut out, and was heard within ten minutes: whoever has it is near"
            if trap in shut.traps
            else _refused(trap, cause, keys)
            for trap, cause in radio.refusals(now, REFUSED_WITHIN_MS)
        ]
        # All may be so at once, after a power cut say; none may hide another.
        return part.storage_error or "; ".join(
            filter(
                None,
                (*of_lines, _bus_trouble(bus), clock.trouble, keyring.trouble, shut.trouble, memory.trouble, *refused),
            )
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
    shut = open_list(settings.revoked, settings.operator_key, settings.bus.certificates)
    beside = Beside[ingest.Read]("ingest-ahead")
    part = Ingest(
        bus, store, group=settings.ingest.group, requests=kept, room_bytes=room, beside=beside, shut=shut,
        base=settings.name,
    )  # fmt: skip
    partners = Partners(shut, Path(settings.folder), kept.set)
    asked = Requests(bus, kept)
    restored = RestoreStore(Path(settings.folder))
    recall = Recall(bus, restored)
    rooms = RoomStore(Path(settings.folder))
    quota = Quota(rooms, store.media, Path(settings.folder), settings.store)
    bus.start()
    close = _closing(part.close, bus.stop, kept.close, restored.close, rooms.close, store.close, lock.close)

    def step(now_ms: int, utc_ms: int) -> bool:
        shut.step(now_ms)
        with suppress(StorageError, OSError):  # ingest says it, and it is tried again
            partners.step(utc_ms)
        asked.step(now_ms, utc_ms)
        recall.step(now_ms, utc_ms)
        gone = quota.step(now_ms, utc_ms)
        return part.step(now_ms, utc_ms) or gone

    def trouble() -> str:
        of_room = part.last_error or asked.storage_error or recall.storage_error
        return of_room or "; ".join(filter(None, (_bus_trouble(bus), shut.trouble, quota.trouble)))

    return Part(step=step, trouble=trouble, close=close, idle_s=0.02, figures=lambda: _bus_figures(bus))


def build_forward(settings: Settings) -> Part:
    """Store, back end and bus.  Raises: SetupError."""
    lock = _lock(settings, "forward")
    secret = read_key(Path(settings.box_key), "the key that opens crops") if settings.box_key else None
    bus = _bus(settings, "forward", receipts.SUBSCRIPTIONS)
    store = _store(settings)
    cutter = Cutter(store, {trap.number: trap for trap in settings.trap}, settings.batch, secret, settings.cards)
    restored = RestoreStore(Path(settings.folder))
    closers = [bus.stop, restored.close, store.close, lock.close]
    uploader = down = poller = packs = None
    results: list[Poller | Teller] = []
    traps = [trap.number for trap in settings.trap]
    reconcile = Reconcile(restored, None, b"", traps)
    if settings.updates.source and settings.updates.radio:
        from trapbase.updates.byradio import RadioPacks

        packs = RadioPacks(Path(settings.folder), bus, drains=not settings.upload.url)
        closers.insert(1, packs.close)
    if settings.upload.url:
        key = read_key(Path(settings.upload.public_key), "the back end's public key")
        queue = OutletQueue(Path(settings.folder), UPLOAD)
        queue.begin(everything=True)
        gate = Gate(settings.upload, random.random, ZoneInfo(settings.zone), queue)
        outlet = TusOutlet(settings.upload.url, settings.upload.timeout_s, gate.count)
        closers[:0] = [outlet.close, queue.close]
        uploader = Uploader(store, cutter, outlet, settings.upload, random.random, gate)
        whole = WholeReceipts(Path(settings.folder))
        closers.append(whole.close)
        down = Receipts(store, uploader, outlet, bus, key, settings.upload, whole, packs.taken if packs else _nobody)
        reconcile = Reconcile(restored, outlet, key, traps, gate)
        kept = ResultStore(Path(settings.folder))
        closers.append(kept.close)
        if settings.upload.identifications_s:
            poller = Poller(kept, outlet, key, settings.upload, random.random, gate)
            results.append(poller)
        results.append(Teller(kept, bus))
    part = Forward(cutter, uploader, down, reconcile, results)
    backups = None
    if settings.backup.folder:
        backups = Backups(Path(settings.folder), settings.name, settings.backup)
        closers.insert(0, backups.close)
    bus.start()

    def step(now_ms: int, utc_ms: int) -> bool:
        moved = part.step(now_ms, utc_ms)
        moved = (packs is not None and packs.step(now_ms, utc_ms)) or moved
        return (backups is not None and backups.step(now_ms, utc_ms)) or moved

    def trouble() -> str:
        of_upload = reconcile.trouble or (uploader.last_error if uploader else "")
        of_receipts = down.last_error if down else ""
        of_backup = backups.trouble if backups else ""
        of_results = poller.last_error if poller else ""
        first = part.storage_error or _bus_trouble(bus) or of_upload or of_receipts or of_results
        return "; ".join(filter(None, (first, of_backup, packs.trouble if packs else "")))

    return Part(
        step=step,
        trouble=trouble,
        close=_closing(*closers),
        idle_s=0.05,
        figures=lambda: _bus_figures(bus),
        patience_s=PATIENCE_S + WAITS * settings.upload.timeout_s,
    )


def build_outlet(settings: Settings, outlet: OutletSettings) -> Part:
    """Store and one further way out.  Raises: SetupError."""
    lock = _lock(settings, f"outlet-{outlet.name}")
    try:
        built = make_outlet(settings, outlet)
    except OSError as error:
        raise SetupError(f"key 'folder' is {settings.folder!r}: cannot be used: {error.strerror}") from error
    part = built.part

    def trouble() -> str:
        return part.storage_error or part.last_error

    return Part(
        step=part.step,
        trouble=trouble,
        close=_closing(built.close, lock.close),
        idle_s=0.5,
        patience_s=PATIENCE_S + WAITS * outlet.timeout_s,
    )


def build_updates(settings: Settings) -> Part:
    """The mirror of releases, who may take one, and where they are served.  Raises: SetupError."""
    # A web server and TUF cost memory that a base without updates does not need.
    from trapbase.updates.build import build as make_updates

    lock = _lock(settings, "updates")
    try:
        built = make_updates(settings)
    except OSError as error:
        raise SetupError(f"key 'folder' is {settings.folder!r}: cannot be used: {error.strerror}") from error
    if built.server is not None:
        built.server.start()
    return Part(step=built.step, trouble=built.trouble, close=_closing(built.close, lock.close), idle_s=0.5)


def _nobody(key: ObjectKey, utc_ms: int) -> None:
    """Who is told of settings packs where none go by radio."""


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


def _refused(trap: int, cause: str, keys: Path) -> str:
    """What is wrong with a trap of which only frames come that are refused; nothing, where it is the air."""
    renew = f"give it a new one: trapship keys {keys.parent} --renew {trap}"
    words = {
        OLD_VERSION: "speaks another version of the radio protocol; give it this version's firmware and its key",
        NO_KEY: f"has no link key here: there is no {keys / f'{trap}.key'}",
        FORGED: f"speaks under another link key than {_key_file(keys, trap)}, or somebody speaks in its name",
        REPLAYED: f"is heard with old frame counters: its flash is new and its key is not ({renew}), or somebody "
        "plays its frames again",
    }
    return f"trap {trap} {words[cause]}" if cause in words else ""


def _key_file(keys: Path, trap: int) -> Path:
    own, listen = (keys / f"{trap}.{ending}" for ending in ("key", "up"))
    return listen if listen.exists() and not own.exists() else own


def _closing(*closers: Callable[[], None]) -> Callable[[], None]:
    def close() -> None:
        for closer in closers:
            closer()

    return close
