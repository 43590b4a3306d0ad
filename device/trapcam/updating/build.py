"""The updater of a running trap, from its settings and parts; and what a start under a trial says before it ends."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from trapcam.camera import Camera, choose
from trapcam.checkedtoml import ModelError
from trapcam.clock import Clock
from trapcam.config import TrapSettings, require_trap
from trapcam.detect import Detector
from trapcam.downpack import DownPack
from trapcam.judge import Judge
from trapcam.outbox import Outbox
from trapcam.states import DELETED, DELIVERED
from trapcam.updating.known import finds_the_known
from trapcam.updating.prove import Checks, Proof
from trapcam.updating.shadow import GOES_ON, Shadow, Tally, values
from trapcam.updating.taking import STATE, Found, Taking, folders_of, sources_of
from trapcam.updating.talk import Talk
from trapcam.updating.updater import Plan, Updater, Ways
from trapcam.uplink import Uplink
from trapkit.errors import SetupError, StorageError
from trapkit.sealing import read_key, sign
from trapkit.update import install, permits
from trapkit.update.launch import FOLDER, SLOT
from trapkit.update.slots import Slots
from trapkit.update.sources import Source
from trapkit.update.states import UpdateState
from trapwire.alert import TIME_BASE_UNIX_MS, TIME_LAST_UNIX_MS
from trapwire.notes import SHADOW, UPDATE, Note, statement

ASKED = "asked"  # in ROOT: a folder that `trapcam update --from` named
TOLD, LOOKED, TALLY, PERMIT = "update", "update looked", "update shadow", "update permit"  # parts of the outbox
SO_FAR = "update shadow told"  # when the base was told last how a shadow goes, Unix ms
SO_FAR_MS = 86_400_000  # a few bytes by radio a day, of what may take weeks


@dataclass(frozen=True, kw_only=True)
class Own:
    """The slots that a launcher started this program from; slot: "" as installed."""

    slots: Slots
    slot: str


def own_slots(env: Mapping[str, str] = os.environ) -> Own | None:
    """None where no launcher did: such a trap takes no updates."""
    return Own(slots=Slots(Path(env[FOLDER])), slot=env.get(SLOT, "")) if env.get(FOLDER) else None


@contextmanager
def said_if_refused(own: Own | None, code: str) -> Iterator[None]:
    """Around a part of the start: under a trial, what keeps the program from coming up is said before it ends."""
    try:
        yield
    except SetupError:
        say_trouble(own, code)
        raise


def say_trouble(own: Own | None, code: str) -> None:
    """Under a trial: what is wrong with this start, for the next one to know."""
    if own is None:
        return
    with suppress(OSError):
        record = own.slots.read()
        if record.trial is not None and record.trial.slot == own.slot:
            own.slots.write(install.troubled(record, code))


class Notes:
    """What the updater says to the base, signed; the outbox keeps it. seed: what the trap signs with (32 bytes)."""

    def __init__(self, outbox: Outbox, seed: bytes, clock: Clock, slot: str) -> None:
        self._outbox = outbox
        self._seed = seed
        self._clock = clock
        self._slot = slot
        self._trial: int | None = None
        self._counted = -1  # bursts of a shadow that were looked at

    def tell(self, state: UpdateState) -> None:
        """Once for each state; a trial once for each slot, for what comes of that is heard under it."""
        said = state.encode()
        mark = f"{said.hex()} {state.at_ms} {self._slot if state.phase == 'trial' else ''}"
        with suppress(StorageError):  # said again by the next start
            before, _, number = self._outbox.told(TOLD).rpartition(" ")
            if before == mark:
                self._trial = int(number) if state.phase == "trial" else None
                return
            made = self._add(UPDATE, {}, state.at_ms, said)
            self._trial = made if state.phase == "trial" else None
            self._outbox.tell(TOLD, f"{mark} {made}")

    def conclude(self, tally: Tally, verdict: int) -> None:
        """How the new model did."""
        with suppress(StorageError):
            self._add(SHADOW, dict(values(tally, verdict)), self._clock.now()[0])
            self._outbox.tell(TALLY, "")
            self._outbox.tell(SO_FAR, "")

    def goes_on(self, tally: Tally, now_ms: int) -> None:
        """How it does so far, once a day where there is news."""
        if tally.bursts == self._counted:
            return  # the card is not asked at every step
        with suppress(StorageError):  # the next burst is another try
            at_ms = self._outbox.told(SO_FAR)
            if not at_ms.isdigit():
                self._outbox.tell(SO_FAR, str(now_ms))  # it has just begun
            elif not 0 <= now_ms - int(at_ms) < SO_FAR_MS:
                self._add(SHADOW, dict(values(tally, GOES_ON)), self._clock.now()[0])
                self._outbox.tell(SO_FAR, str(now_ms))
            self._counted = tally.bursts

    def heard(self) -> bool:
        """Whether a base has the note of this trial."""
        if self._trial is None:
            return False
        try:
            return self._outbox.notes.state(self._trial) in (DELIVERED, DELETED)
        except (KeyError, StorageError):
            return False

    def _add(self, kind: int, fields: dict[str, int], at_ms: int, said: bytes = b"") -> int:
        within = min(max(at_ms, TIME_BASE_UNIX_MS), TIME_LAST_UNIX_MS)
        note = Note(kind, within, self._clock.now()[1] if within == at_ms else None, fields, said=said)

        def make(number: int) -> bytes:
            key = (self._outbox.trap, self._outbox.epoch, number)
            note.signature = sign(self._seed, statement(*key, note.fields()))
            return note.encode()

        return self._outbox.notes.add_note(kind, within, make)


def open_updater(
    own: Own,
    settings: TrapSettings,
    outbox: Outbox,
    uplink: Uplink,
    camera: Camera,
    judge: Judge | None,
    clock: Clock,
    seed: bytes,
    shadow: Shadow | None,
    report: Callable[[str], None],
) -> Updater:
    """The updater, not yet at work. shadow: around what captures, None without a model.  Raises: SetupError."""
    update, trap = settings.update, require_trap(settings)
    notes = Notes(outbox, seed, clock, own.slot)
    glance = choose.glancing(camera)
    alone = settings.trigger.source == "interval"
    begun = outbox.position(camera.source)
    checks = Checks(
        glance=lambda: glance(outbox.position(camera.source)) is not None,
        known=lambda: _known(own, judge),
        answers=lambda: alone or uplink.answered,
        taken=lambda: outbox.position(camera.source) > begun,
        heard=lambda: not update.heard or notes.heard(),
    )
    taking, folders = _taking(own, settings, clock)
    down = DownPack(outbox)
    permit_key = read_key(Path(update.permit_key), "the base's key for permissions") if update.permit_key else None

    def brought() -> str:
        return " ".join(filter(None, [down.stamp(), *(_stamp(folder) for folder in folders())]))

    def begin(running: str) -> None:
        if taking is not None:
            taking.begin(running, down.take())

    def end() -> Found | None:
        found = taking.end() if taking is not None else Found()
        if found is not None and found.radio_over:
            down.judged(overtaken=found.offered is not None)
        return found

    def permitted(found: Found) -> str:
        if permit_key is None or found.offered is None:
            return ""
        last = outbox.told(PERMIT)
        code, permit = permits.refusal(
            found.permit,
            permit_key,
            trap,
            found.offered.release.release,
            int(last) if last.isdigit() else 0,
            clock.now()[0],
        )
        if permit is not None:
            with suppress(StorageError):
                outbox.tell(PERMIT, str(permit.number))
        return code

    def looked() -> tuple[int, str]:
        at_ms, _, what = outbox.told(LOOKED).partition(" ")
        return int(at_ms) if at_ms.isdigit() else 0, what

    def remember(now_ms: int, what: str) -> None:
        with suppress(StorageError):
            outbox.tell(LOOKED, f"{now_ms} {what}")

    def judge_beside(folder: Path) -> bool:
        if shadow is None:
            return False
        shadow.begin(open_model(folder, settings.detector.threads), outbox.told(TALLY))
        return True

    def tally() -> Tally:
        return Tally(model="0" * 64) if shadow is None or shadow.tally is None else shadow.tally

    def conclude(verdict: int) -> None:
        notes.conclude(tally(), verdict)
        if shadow is not None:
            shadow.end()

    ways = Ways(
        tell=notes.tell,
        begin=begin,
        end=end,
        brought=brought,
        looked=looked,
        remember=remember,
        permitted=permitted,
        shadow=judge_beside,
        tally=tally,
        goes_on=lambda now_ms: notes.goes_on(tally(), now_ms),
        conclude=conclude,
        report=report,
    )
    plan = Plan(
        board=settings.supervisor.board,
        look_ms=round(update.look_h * 3_600_000),
        shadow_bursts=update.shadow_bursts,
        shadow_differ=update.shadow_differ,
        power_off=bool(settings.supervisor.power_off),
    )
    return Updater(own.slots, own.slot, plan, ways, Proof(checks), Talk(uplink.say_firmware))


def _taking(own: Own, settings: TrapSettings, clock: Clock) -> tuple[Taking | None, Callable[[], list[Path]]]:
    """The client, None where no root is named; and the folders that it looks at.  Raises: SetupError."""
    update, trap, root = settings.update, require_trap(settings), b""
    if update.trusted:
        try:
            root = Path(update.trusted).read_bytes()
        except OSError as error:
            raise SetupError(f"key 'update.trusted' is {update.trusted!r}: cannot be read: {error.strerror}") from error

    def folders() -> list[Path]:
        asked = asked_folder(own.slots.root)
        return folders_of(Path(settings.data), (*([asked] if asked else []), *update.sticks))

    def sources() -> Mapping[str, Source]:
        return sources_of(folders(), update.base_url, Path(settings.network.certificates), trap)

    sources()  # a wrong address is said at the start
    return Taking(sources, own.slots.root / STATE, clock, root, trap) if root else None, folders


def asked_folder(root: Path) -> str:
    """What `trapcam update --from` named, or ""."""
    try:
        return (root / ASKED).read_text("utf-8").strip()[:4096]
    except (OSError, UnicodeDecodeError):
        return ""


def open_model(folder: Path, threads: int) -> Judge:
    """The model of a slot.  Raises: ValueError naming what is wrong with it."""
    models = sorted(folder.rglob("*.tflite"))
    if len(models) != 1:
        raise ValueError(f"{folder}: {len(models)} models; allowed is one")
    try:
        return Detector(models[0], threads=threads)
    except ModelError as error:
        raise ValueError(str(error)) from error


def _known(own: Own, judge: Judge | None) -> str:
    """The code by which the detector of a slot fails, or ""."""
    if judge is None:
        return "" if own.slots.part(own.slot, "model") is None else "model-not-usable"
    return "" if finds_the_known(judge) else "model-judges-badly"


def _stamp(folder: Path) -> str:
    """What tells one content of a source from another."""
    try:
        found = (folder / "metadata" / "timestamp.json").stat()
    except OSError:
        return f"{folder}:"
    return f"{folder}:{found.st_mtime_ns}:{found.st_size}"
