"""Shared parts lie beside the tests; under `--import-mode=importlib` their folder is not on the path by itself."""

import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from cam_parts import BACKEND, BASE, NOW, REVIEWER, ColourJudge, PtySupervisor, sealer
from network_parts import Field
from records import SOURCE

from trapcam.app import TrapApp
from trapcam.camera.replay import open_replay
from trapcam.camera.sampling import Sampling
from trapcam.capture import Capture, Policy
from trapcam.outbox import Outbox, open_outbox
from trapcam.uplink import Timing, Uplink
from trapwire import serialline as kinds

TRAP = 7

# A loaded two-core machine is slow, not wrong.
settings.register_profile("trapcam", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("trapcam")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[PtySupervisor]:
    other = PtySupervisor(tmp_path / "tty")
    yield other
    other.close()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = open_outbox(tmp_path / "data", TRAP, NOW)
    yield box
    box.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


class Unit:
    """A whole trap on `pictures`, with the supervisor at the other end of a real pty; time is the test's."""

    def __init__(
        self, tmp_path: Path, outbox: Outbox, policy: Policy, supervisor: PtySupervisor, sampling: Sampling | None
    ) -> None:
        self.outbox = outbox
        self.supervisor = supervisor
        self.camera = open_replay(
            str(tmp_path / "pictures"), loop=False, max_megapixels=40, uncertainty_ms=None, sampling=sampling
        )
        outbox.declare_source(self.camera.source, self.camera.total)
        self.line = supervisor.port
        self.uplink = Uplink(self.line, outbox, bytes(BACKEND.verify_key), Timing())
        self.lines: list[str] = []
        capture = Capture(ColourJudge(), sealer(), policy)
        self.app = TrapApp(self.camera, capture, outbox, self.uplink, report=self.lines.append)
        self.now = NOW

    def steps(self, count: int, each_ms: int = 50) -> None:
        """Both ends, turn by turn."""
        for _ in range(count):
            self.now += each_ms
            self.app.step(self.now)
            self.supervisor.step()

    def wake(self, count: int) -> None:
        """So many triggers from the supervisor."""
        for number in range(count):
            self.supervisor.say(kinds.WAKE, struct.pack(">IB", number, 0))

    @property
    def position(self) -> int:
        return self.outbox.position(self.camera.source)


@pytest.fixture
def make_unit(tmp_path: Path, outbox: Outbox, pictures: Path, supervisor: PtySupervisor) -> Callable[..., Unit]:
    """Builds the unit once the test has written its pictures."""
    return lambda policy=None, sampling=None: Unit(tmp_path, outbox, policy or Policy(), supervisor, sampling)


@pytest.fixture
def keys(tmp_path: Path) -> str:
    """The head of a settings file: a trap's number, its data folder, a supervisor's line, its keys."""
    (tmp_path / "base.pub").write_text(bytes(BASE.public_key).hex())
    (tmp_path / "backend.pub").write_text(bytes(BACKEND.verify_key).hex())
    (tmp_path / "recipients.txt").write_text(str(REVIEWER.to_public()))
    return f"""\
trap = {TRAP}
data = "{tmp_path}/data"
supervisor.port = "{tmp_path}/tty"
keys.base = "{tmp_path}/base.pub"
keys.receipts = "{tmp_path}/backend.pub"
keys.recipients = "{tmp_path}/recipients.txt"
"""


@pytest.fixture
def field(outbox: Outbox, tmp_path: Path) -> Iterator[Field]:
    outbox.declare_source(SOURCE, None)
    made = Field(outbox, tmp_path / "base")
    yield made
    made.store.close()
