"""The whole trap for a measurement: `cmd_run`'s builders over the simulated camera and the supervisor in memory."""

import time
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from trapcam.camera.feed import Threads
from trapcam.camera.pi import PiCamera, PiPlan
from trapcam.cmd_run import build_app
from trapcam.config import AuditSettings, KeySettings, TrapSettings, model_path
from trapcam.detect import Detector
from trapcam.fromsettings import open_keys, timing
from trapcam.judge import Judge
from trapcam.outbox import open_outbox
from trapcam.record import Outcome
from trapcam.uplink import Uplink
from trapkit.errors import SetupError
from trapsim.picam import Module, VirtualTime
from trapsim.picamtime import VirtualDrive
from trapsim.trapbudget.parts import (
    ClockedCamera,
    ClockedJudge,
    Eye,
    Supervisor,
    name_of,
    on_the_clock,
    watch_commits,
)
from trapsim.trapbudget.quick import Quick
from trapsim.trapbudget.stages import StageClock

TRAP = 1
STEP_S = 0.05
LIMIT_STEPS = 100_000


class Rig:
    """A running trap in `folder`, where `keys/`, `scenes/` are. `outcomes`, `frames`, `bytes`: of each burst so far."""

    def __init__(
        self, folder: Path, *, told: Callable[[str], None] = lambda what: None, real_time: bool = False,
        samples: float = 0.05, frames: int = 6, stand_in: bool = False,
    ) -> None:  # fmt: skip
        keys = folder / "keys"
        self._settings = settings = TrapSettings(
            trap=TRAP, data=str(folder / "data"), audit=AuditSettings(share=samples),
            keys=KeySettings(
                base=str(keys / "base.pub"), recipients=str(keys / "recipients.txt"),
                receipts=str(keys / "backend.pub"),
            ),
        )  # fmt: skip
        self._said = StringIO()
        self._time = None if real_time else VirtualTime()
        self.clock = StageClock()
        self.outcomes: list[str] = []
        self.frames: list[int] = []
        self.bytes: list[int] = []
        sealer, receipt_key = open_keys(settings)
        self._outbox = open_outbox(Path(settings.data), TRAP, self._now_ms())
        told("outbox and keys")
        judge: Judge = Quick(frames) if stand_in else Detector(model_path(settings), threads=settings.detector.threads)
        told("model")
        virtual = self._time
        self.module = Module(
            [], monotonic_s=virtual.monotonic_s if virtual else time.monotonic,
            sleep=virtual.sleep if virtual else time.sleep, frame_s=0.1,
        )  # fmt: skip
        self.eye = Eye(folder / "scenes", self.module)
        self.eye.show("cat")
        camera = PiCamera(
            self.module.device, PiPlan(frames=frames, preroll=min(2, frames - 1)), uncertainty_ms=200,
            now_ms=self._now_ms,
            monotonic_s=virtual.monotonic_s if virtual else time.monotonic,
            drive=VirtualDrive(virtual) if virtual else Threads(),
        )  # fmt: skip
        self.camera = ClockedCamera(camera, self.clock, told)
        self.camera.start()
        told("camera")
        self._outbox.declare_source(self.camera.source, self.camera.total)
        self.supervisor = Supervisor(lambda: self._outbox)
        uplink = Uplink(self.supervisor, self._outbox, receipt_key, timing(settings))
        on_the_clock(sealer, "seal", self.clock, "seal")
        on_the_clock(sealer, "seal_file", self.clock, "seal")
        watch_commits(self._outbox, self._committed)
        on_the_clock(self._outbox, "commit", self.clock, "commit")
        clocked = ClockedJudge(judge, self.clock, told)
        self._app = build_app(
            settings, self.camera, clocked, sealer, self._outbox, uplink, None, stage=self.clock.stage
        )
        self._told = told
        self.supervisor.wake() if real_time else None

    def _now_ms(self) -> int:
        return self._time.now_ms() if self._time else time.time_ns() // 1_000_000

    def _committed(self, outcome: Any, number: int | None) -> None:
        sighting = outcome.sighting if isinstance(outcome, Outcome) else None
        audited = outcome.audited if isinstance(outcome, Outcome) else None
        made = [sealed.body for sealed in (sighting.objects if sighting else ())]
        made += [audited.sample.body] if audited and audited.sample else []
        self.outcomes.append(name_of(outcome))
        self.frames.append(outcome.frames)
        self.bytes.append(sum(map(len, made)))
        if sighting and number:
            self.supervisor.sign(number, [(sealed.rung, sealed.sha256) for sealed in sighting.objects])
        self._told("committed")

    def step(self) -> bool:
        """One step of the application, and the camera's own."""
        self.camera.tend()
        with redirect_stderr(self._said):
            busy = self._app.step(self._now_ms())
        self._said.truncate(self._said.seek(0))
        if not busy:
            (self._time.sleep if self._time else time.sleep)(STEP_S)
        return busy

    def step_until(self, done: Callable[[], bool]) -> None:
        """Raises: SetupError when it never comes."""
        for _ in range(LIMIT_STEPS):
            if done():
                return
            self.step()
        raise SetupError("the measured trap does not come to an end with a burst")

    def run_for(self, seconds: float) -> None:
        """Let the trap run on with nothing to do."""
        clock = self._time.monotonic_s if self._time else time.monotonic
        end_s = clock() + seconds
        while clock() < end_s:
            self.step()

    def close(self) -> None:
        self.camera.close()
        self._outbox.close()
