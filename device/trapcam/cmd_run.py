"""`trapcam run`: build the parts from the settings and drive the main loop until told to stop."""

import argparse
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import IO

from trapcam import machine
from trapcam.app import Capturing, TrapApp, Updating, Visiting
from trapcam.audit import Sampler
from trapcam.camera import Camera, choose
from trapcam.camera.device import CameraLostError
from trapcam.capture import Capture, Policy
from trapcam.checkedtoml import ModelError
from trapcam.clock import Clock
from trapcam.config import TrapSettings, check_keep, model_path, require_trap
from trapcam.detect import Detector
from trapcam.fromsettings import open_bus, open_keys, open_sign_key, pace, patience, timing
from trapcam.health.card import Card, read_life
from trapcam.health.verdicts import Health, Limits
from trapcam.judge import Judge
from trapcam.ledger import Ledger
from trapcam.network import Network
from trapcam.outbox import Outbox, open_outbox, put_aside_if_damaged
from trapcam.seal import Sealer
from trapcam.stay import Stay
from trapcam.trigger import IntervalTrigger
from trapcam.unjudged import Unjudged
from trapcam.updating.build import TALLY, Own, open_updater, own_slots, said_if_refused, say_trouble
from trapcam.updating.shadow import Beside, Shadow
from trapcam.uplink import Uplink
from trapkit.bus import Bus
from trapkit.errors import DamagedError, SetupError, StorageError
from trapkit.files import lock_folder
from trapkit.notify import Keepalive, of_this_process
from trapkit.serialport import SerialPort
from trapkit.settings import load_settings
from trapkit.update import launch
from trapwire.notes import NO_MODEL

Around = Callable[[Visiting], Visiting]
LIFE_TIME = Path("/sys/block/mmcblk0/device/life_time")  # of an eMMC; Linux, Documentation/ABI/testing/sysfs-bus-mmc
GOODBYE_S = 3.0  # to the broker, at the end
WAIT_S = 0.05  # the longest pause: how late a timer, or the end, may be noticed


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("run", help="watch, judge, keep and hand over; runs until SIGTERM")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    parser.set_defaults(run=run)


def run(
    args: argparse.Namespace, opener: Callable[[TrapSettings], Camera] | None = None, around: Around | None = None
) -> int:
    """Run the trap; opener: of another camera; around: for the page's visit.  Raises: SetupError, StorageError."""
    settings = load_settings(TrapSettings, args.config)
    trap = require_trap(settings)
    data, lost, again = Path(settings.data), "", False
    own = own_slots()
    with _locked(data):
        sealer, receipt_key = open_keys(settings)
        bus = open_bus(settings)
        with said_if_refused(own, "camera-gives-nothing"):
            camera = (opener or open_camera)(settings)
        with said_if_refused(own, "model-not-usable"):
            judge, no_model = open_judge(settings)
        with (
            not_held_up_by(camera),
            closing(camera),
            set_aside_if_damaged(data),
            closing(open_box(settings)) as outbox,
        ):
            outbox.tell("model", no_model or _named(judge))
            clock = open_clock(settings)
            ledger = open_ledger(settings, outbox, clock, always=0 if judge else NO_MODEL)
            with dead_if_refused(ledger), said_if_refused(own, "camera-gives-nothing"):
                camera.start()
            outbox.declare_source(camera.source, camera.total)
            line = SerialPort(settings.supervisor.port, baud=settings.supervisor.baud)
            uplink = Uplink(line, outbox, receipt_key, timing(settings), clock=clock)
            network = None if bus is None else Network(bus, outbox, receipt_key, pace(settings))
            visit = _visit(settings, outbox, sealer, clock, uplink, camera, judge, around, ledger)
            shadow, beside = _shadow(own, settings, outbox, judge)
            updater = None
            if own is not None:
                seed = open_sign_key(settings)
                updater = open_updater(own, settings, outbox, uplink, camera, judge, clock, seed, shadow, _report)
            app = build_app(
                settings, camera, beside, sealer, outbox, uplink, network, clock, ledger,
                visit=visit, shadow=shadow, updater=updater,
            )  # fmt: skip
            stop = Stop()
            stop.listen()
            _report(
                f"trap {trap}, epoch {outbox.epoch:08x}, {camera.source} ({camera.about}), supervisor at {line.path}"
            )
            if outbox.aside:
                _report(
                    f"{outbox.aside}: the outbox was damaged and lies here with its files now; a new epoch has begun. "
                    "Keep the folder: what is sealed in it opens with its keys as ever"
                )
            if no_model:
                _report(
                    f"no model, so every burst is kept sealed and unjudged, at most {settings.detector.without_mb} MB, "
                    f"and nothing goes by radio: {no_model}"
                )
            if outbox.missing:
                _report(f"{data}: the files of {outbox.missing} full frames are gone")
            try:
                with running(bus):
                    _loop(app, line, stop)
                again = app.again
            except CameraLostError as error:
                lost = str(error)
                say_trouble(own, "camera-gives-nothing")
            finally:
                if visit is not None:
                    visit.close()
    if lost:
        _report(f"trapcam: {lost}")
    if again and own is not None and not lost:
        launch.again(own.slots, sys.argv[1:])
    code = 1 if lost else machine.shut_down(settings.supervisor.power_off, _report) if app.left else 0
    if choose.hangs(camera):
        os._exit(code)  # as in `not_held_up_by`
    return code


@contextmanager
def not_held_up_by(camera: Camera) -> Iterator[None]:
    """Around all of a run: an error ends the program though a thread hangs in the camera's library.

    Such a one would keep Python's own way out from coming to an end. All that is to last is committed and closed.
    """
    try:
        yield
    except (SetupError, StorageError) as error:
        if not choose.hangs(camera):
            raise
        _report(f"trapcam: {error}")
        os._exit(2 if isinstance(error, SetupError) else 1)


@contextmanager
def dead_if_refused(ledger: Ledger) -> Iterator[None]:
    """Around the camera's start: one that does not start is a reason in the ledger, for nothing was seen."""
    try:
        yield
    except SetupError:
        ledger.camera_lost(_now_ms())
        raise


def open_box(settings: TrapSettings) -> Outbox:
    """The outbox that the settings name.  Raises: SetupError, StorageError."""
    return open_outbox(
        Path(settings.data),
        require_trap(settings),
        _now_ms(),
        audit_bytes=settings.audit.max_mb * 1_000_000,
        reserve_bytes=settings.card.reserve_mb * 1_000_000,
    )


@contextmanager
def set_aside_if_damaged(data: Path) -> Iterator[None]:
    """Around an open outbox: one that turns out to be damaged is set aside, for the next start to begin anew."""
    try:
        yield
    except DamagedError as error:
        aside = put_aside_if_damaged(data)
        what = f"set aside as {aside}; the next start begins a new epoch" if aside else "all of it can be read again"
        raise DamagedError(f"{error}; {what}. The burst in hand is lost") from error


@contextmanager
def running(bus: Bus | None) -> Iterator[None]:
    """The bus, where there is one, open for as long as the block lasts."""
    if bus is None:
        yield
        return
    bus.start()
    try:
        yield
    finally:
        # On a slow link a full frame stands before the goodbye. Nothing is lost without one: the next start repeats it.
        goodbye = threading.Thread(target=bus.stop, daemon=True)
        goodbye.start()
        goodbye.join(GOODBYE_S)


def _locked(data: Path) -> IO[str]:
    try:
        return lock_folder(data, "trapcam")
    except OSError as error:
        raise SetupError(f"key 'data' is {str(data)!r}: cannot be used: {error.strerror}") from error


def open_judge(settings: TrapSettings) -> tuple[Detector | None, str]:
    """The detector; or None and why there is none, where the settings let a trap run so.  Raises: SetupError."""
    try:
        judge = Detector(model_path(settings), threads=settings.detector.threads)
    except ModelError as error:
        if settings.detector.required:
            raise
        return None, str(error)
    check_keep(settings, judge.description.thresholds)
    return judge, ""


def _named(judge: Judge | None) -> str:
    return "none" if judge is None else f"{judge.description.name} {judge.description.version}"


def open_camera(settings: TrapSettings) -> Camera:
    """The camera that the settings name.  Raises: SetupError."""
    return choose.open_camera(
        settings.camera, uncertainty_ms=settings.clock.uncertainty_ms or None, now_ms=_now_ms
    )  # fmt: skip


def open_ledger(settings: TrapSettings, outbox: Outbox, clock: Clock, *, always: int = 0) -> Ledger:
    """What the trap says of itself; always: as in `Ledger`.  Raises: SetupError."""
    limits = Limits(**{name: getattr(settings.health, name) for name in settings.health.__struct_fields__})
    alone = settings.trigger.source == "interval"
    try:
        life_tenths = read_life(LIFE_TIME.read_text())
    except OSError:
        life_tenths = None  # an SD card says nothing of its life
    return Ledger(
        outbox,
        open_sign_key(settings),
        clock,
        lambda: time.monotonic_ns() // 1_000_000,
        Health(limits),
        Card(life_tenths=life_tenths),
        alone=alone,
        always=always,
    )


def _visit(
    settings: TrapSettings, outbox: Outbox, sealer: Sealer, clock: Clock, uplink: Uplink, camera: Camera,
    judge: Judge | None, around: Around | None, ledger: Ledger,
) -> Visiting | None:  # fmt: skip
    """The ranger's page, where anybody may open it; the web server takes memory that other traps have no use for."""
    if not Path(settings.service.operators).exists():
        return None
    from trapcam.service.start import open_visit

    visit = open_visit(
        settings, outbox, sealer, open_sign_key(settings), clock, uplink, camera, judge,
        monotonic_ms=lambda: time.monotonic_ns() // 1_000_000, report=_report, worn=lambda: ledger.card_worn,
    )  # fmt: skip
    return around(visit) if around else visit


def open_clock(settings: TrapSettings) -> Clock:
    """The computer's clock, which the supervisor may correct."""
    return Clock(
        settings.clock.uncertainty_ms or None, system_ms=_now_ms, monotonic_ms=lambda: time.monotonic_ns() // 1_000_000
    )  # fmt: skip


def build_app(
    settings: TrapSettings,
    camera: Camera,
    judge: Judge | None,
    sealer: Sealer,
    outbox: Outbox,
    uplink: Uplink,
    network: Network | None,
    clock: Clock | None = None,
    ledger: Ledger | None = None,
    visit: Visiting | None = None,
    shadow: Shadow | None = None,
    updater: Updating | None = None,
    stage: Callable[[str], AbstractContextManager[object]] = lambda name: nullcontext(),
) -> TrapApp:
    """The application from its parts; nothing runs yet. judge: None where there is no model; stage: see `Capture`."""
    policy = Policy(
        keep=settings.keep.categories,
        keep_threshold=settings.keep.threshold,
        hourly_count=settings.people.hourly_count,
        crop_bytes=settings.rungs.crop_bytes,
        frame_bytes=settings.rungs.frame_bytes,
        frame_pixels=settings.rungs.frame_pixels,
        full_frames=settings.rungs.full_frames,
        scene_bytes=settings.rungs.scene_bytes,
        scene_pixels=settings.rungs.scene_pixels,
    )
    interval_ms = round(settings.trigger.interval_s * 1000)
    interval = IntervalTrigger(interval_ms) if settings.trigger.source == "interval" else None
    audit = settings.audit
    sampler = Sampler(
        key=outbox.audit.key,
        epoch=outbox.epoch,
        share=audit.share,
        people=audit.people,
        enabled=audit.enabled,
    )
    capture: Capturing
    if judge is None:
        room = settings.detector.without_mb * 1_000_000
        capture = Unjudged(sealer, outbox.unjudged_bytes, room, settings.rungs.full_frames)
    else:
        capture = Capture(judge, sealer, policy, sampler, stage)
    if shadow is not None:
        shadow.capture, capture = capture, shadow
    return TrapApp(
        camera,
        capture,
        outbox,
        uplink,
        network=network,
        stay=Stay(patience(settings)),
        interval=interval,
        clock=clock,
        ledger=ledger,
        report=_report,
        elapsed_ms=lambda: time.monotonic_ns() // 1_000_000,
        tend=choose.tending(camera),
        visit=visit,
        updater=updater,
    )


def _shadow(
    own: Own | None, settings: TrapSettings, outbox: Outbox, judge: Judge | None
) -> tuple[Shadow | None, Judge | None]:
    """Where updates are taken: what a new model is compared in, and the judge that lets it look too."""
    if own is None or judge is None:
        return None, judge
    beside = Beside(judge)

    def kept(text: str) -> None:
        with suppress(StorageError):
            outbox.tell(TALLY, text)

    return Shadow(beside, settings.keep.categories, settings.keep.threshold, kept), beside


class Stop:
    """Set by SIGTERM or SIGINT: the loop ends after the piece of work at hand."""

    def __init__(self) -> None:
        self.asked = False

    def listen(self) -> None:
        """Take the two signals from now on."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self.asked = True


def _loop(app: TrapApp, line: SerialPort, stop: Stop) -> None:
    keepalive = Keepalive(of_this_process())  # systemd starts a trap again whose loop hangs
    while not (stop.asked or app.left or app.again):
        keepalive.turn(time.monotonic_ns() // 1_000_000)
        busy = app.step(_now_ms())
        fd = line.fileno()
        try:
            select.select([] if fd is None else [fd], [], [], 0 if busy else WAIT_S)
        except OSError:
            time.sleep(WAIT_S)  # the line went away under the call; the next read finds out


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _report(text: str) -> None:
    with suppress(OSError):  # a trap does not stop because nobody reads its log
        print(text, file=sys.stderr, flush=True)
