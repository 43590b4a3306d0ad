"""A trap that takes updates: real slots, updater, outbox, uplink, the fleet's real repository, the firmware's loader;
started again and again in the test's own time."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from cam_parts import BACKEND, NOTHING, ColourJudge, FakeDescription, FakeDetection, sealer, write_picture
from tests.ship.release_bench import Bench

from trapcam.app import TrapApp
from trapcam.camera.replay import open_replay
from trapcam.capture import Capture, Policy
from trapcam.clock import Clock
from trapcam.config import CameraSettings, ReplaySettings, SupervisorSettings, TrapSettings
from trapcam.config_updates import UpdateSettings
from trapcam.frames import Image
from trapcam.outbox import Outbox
from trapcam.states import WAITING
from trapcam.updating import taking
from trapcam.updating.build import TALLY, Own, open_updater
from trapcam.updating.known import BOX
from trapcam.updating.shadow import Beside, Shadow
from trapcam.updating.updater import Updater
from trapcam.uplink import Timing, Uplink
from trapkit.update import launch
from trapkit.update.slots import Slots
from trapkit.update.states import UpdateState, decode
from trapmcu.newcode import Loader
from trapmcu.slots import Slots as McuSlots
from trapwire import serialline as kinds
from trapwire.notes import UPDATE, Note, decode_note
from trapwire.objects import NOTE

SEED = bytes(range(32))
TRAP = 7
STEP_MS = 20_000


class KnowingJudge(ColourJudge):
    """As `ColourJudge`, and it finds the cat of the known picture, as she is and mirrored; `shift`: how far beside."""

    def __init__(self, *, shift: float = 0.0, sha256: str = "00" * 32, blind: bool = False) -> None:
        self.description = FakeDescription(sha256=sha256)
        self._shift = shift
        self._blind = blind

    def detect(self, image: Image, moved: object = None) -> Sequence[FakeDetection]:
        if image.shape[:2] != (360, 480):
            return [] if self._blind else super().detect(image, moved)
        x, y, width, height = BOX
        left = image[:, :160].std() < image[:, 320:].std()
        at = x if left else 1 - x - width
        return [FakeDetection(bbox=(at + self._shift, y, width, height))]


class MemoryLine:
    """The line to a supervisor that answers at once; mcu: its loader of firmware, None: one from before that."""

    is_open, last_error = True, ""

    def __init__(self, loader: "Callable[[], Loader | None]") -> None:
        self._loader = loader
        self._out: list[tuple[int, bytes]] = []
        self.now_s = 1_000

    def read(self) -> list[tuple[int, bytes]]:
        out, self._out = self._out, []
        return out

    def send(self, kind: int, payload: bytes) -> bool:
        loader = self._loader()
        if kind == kinds.HELLO:
            self._out.append((kinds.HELLO, b""))
        elif kind == kinds.FIRMWARE and loader is not None:
            self._out.append((kinds.FIRMWARE_IS, loader.on(payload, self.now_s)))
        return True


class _Inline:
    """A thread that is over when it has begun."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...], **_: object) -> None:
        self._run = lambda: target(*args)

    def start(self) -> None:
        self._run()

    def is_alive(self) -> bool:
        return False


class Rig:
    """bench: the operator and the time; `judges`: by the release that runs, "" as installed and for all others."""

    def __init__(self, folder: Path, outbox: Outbox, bench: Bench, **update: Any) -> None:
        taking.threading = type("threading", (), {"Thread": _Inline})  # type: ignore[assignment]
        self.folder, self.outbox, self.bench = folder, outbox, bench
        self.root = folder / "update"
        (folder / "root.json").write_bytes(bench.root)
        (folder / "pictures").mkdir(exist_ok=True)
        write_picture(folder / "pictures/z.png", NOTHING)
        update = {"sticks": (str(bench.repository.folder),), "shadow_bursts": 0, "look_h": 1} | update
        self.settings = TrapSettings(
            trap=TRAP,
            data=str(folder / "data"),
            supervisor=SupervisorSettings(),
            camera=CameraSettings(replay=ReplaySettings(folder=str(folder / "pictures"))),
            update=UpdateSettings(trusted=str(folder / "root.json"), **update),
        )
        self.judges: dict[str, Any] = {"": KnowingJudge()}
        self.flash: Path | None = None
        self.running = "a"  # the supervisor's slot
        self.lines: list[str] = []
        self.trusted = True
        self.delivers = True
        self.powered = 0

    def ms(self) -> int:
        return int(self.bench.now.timestamp() * 1000)

    def loader(self) -> Loader | None:
        if self.flash is not None and self._loader is None:
            self._loader = Loader(str(self.flash), McuSlots(str(self.flash), self.running))
        return self._loader

    def start(self) -> "Rig":
        """One start of the program, not stepped yet."""
        self._loader: Loader | None = None
        self.slot = launch.chosen(Slots(self.root), self.ms())
        told = Slots(self.root).slot(self.slot) if self.slot else None
        judge = self.judges.get(told.release if told else "", self.judges[""])
        beside = Beside(judge)
        shadow = Shadow(beside, ("feline",), 0.0, lambda text: self.outbox.tell(TALLY, text))
        shadow.capture = Capture(beside, sealer(), Policy())
        clock = Clock(20 if self.trusted else None, system_ms=self.ms, monotonic_ms=self.ms)
        camera = open_replay(
            str(self.folder / "pictures"), loop=False, max_megapixels=40, uncertainty_ms=None, sampling=None
        )
        self.outbox.declare_source(camera.source, camera.total)
        self.uplink = Uplink(MemoryLine(self.loader), self.outbox, bytes(BACKEND.verify_key), Timing(), clock=clock)
        own = Own(slots=Slots(self.root), slot=self.slot)
        self.updater: Updater = open_updater(
            own, self.settings, self.outbox, self.uplink, camera, judge, clock, SEED, shadow, self.lines.append
        )
        self.app = TrapApp(
            camera, shadow, self.outbox, self.uplink, clock=clock, report=self.lines.append, updater=self.updater
        )
        return self

    def steps(self, count: int = 30) -> "Rig":
        """So many turns of the application, or until it ends."""
        for _ in range(count):
            self.bench.now += timedelta(milliseconds=STEP_MS)
            self.app.step(self.ms())
            if self.delivers:
                notes = [key for key in self.outbox.in_state(WAITING) if key[2] == NOTE]
                self.outbox.mark([], [(number, rung) for _, number, rung in notes])
            if self.app.again or self.app.left:
                break
        return self

    def lives(self, starts: int = 8) -> "Rig":
        """Starts until nothing is left to be done."""
        for _ in range(starts):
            self.start().steps(60)
            if not (self.app.again or self.app.left):
                return self
        raise AssertionError(f"still at it after {starts} starts: {self.lines}")

    @property
    def said(self) -> UpdateState:
        return Slots(self.root).read().said

    def told(self) -> list[UpdateState]:
        """What the base got to know, in order."""
        return [decode(note.said, note.time_ms) for note in self.notes() if note.kind == UPDATE]

    def notes(self) -> list[Note]:
        rows = self.outbox._db.execute("SELECT body FROM objects WHERE rung = ? ORDER BY number", (NOTE,))
        return [decode_note(body) for (body,) in rows]


def pictures_of(folder: Path, shown: Mapping[str, tuple[int, int, int]]) -> None:
    """Files whose first pixel says what they show."""
    for number, (name, corner) in enumerate(shown.items()):
        write_picture(folder / name, corner, number)
