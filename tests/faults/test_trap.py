"""A trap's own faults besides its card: camera, supervisor, clock, keys. Each is said, and nothing is lost."""

import io
import struct
from collections.abc import Iterator
from contextlib import closing, redirect_stderr
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from nacl.signing import SigningKey

from trapcam.camera.pi import PiCamera, PiPlan
from trapcam.cli import main
from trapcam.clock import Clock
from trapcam.cmd_run import build_app
from trapcam.fromsettings import open_keys
from trapcam.outbox import Outbox, open_outbox
from trapcam.status import read_status
from trapcam.uplink import SILENT, Timing, Uplink
from trapship.keys import make_keys
from trapsim.crash import fused
from trapsim.picam import Faults, Module, VirtualTime, packed
from trapsim.picamtime import VirtualDrive
from trapsim.pictures import default_pictures
from trapsim.trapsoak.marks import CAT, Mark, draw
from trapsim.trapsoak.outside import TRAP
from trapsim.trapsoak.pi import settings_of
from trapsim.trapsoak.plan import UTC_MS, YEAR_MS
from trapsim.trapsoak.plan import draw as plan
from trapsim.trapsoak.planted import MIDDLE, MarkReader
from trapsim.trapsoak.season import Run
from trapwire import serialline as kinds
from trapwire.alert import TIME_BASE_UNIX_MS, TIME_LAST_UNIX_MS, decode_alert
from trapwire.objects import ALERT, FULL, decode_envelope, pack_keys

SIZE = (320, 240)


@dataclass
class Supervisor:
    """The other end of the line, in memory; while it is `silent` it neither hears nor says anything."""

    silent: bool = False
    is_open = True
    last_error = ""
    said: list[tuple[int, bytes]] = field(default_factory=list)
    taken: set[tuple[int, int]] = field(default_factory=set)
    wakes: int = 0

    def wake(self) -> None:
        self.wakes += 1
        self.said.append((kinds.WAKE, struct.pack(">IB", self.wakes, 0)))

    def read(self) -> list[tuple[int, bytes]]:
        said, self.said = ([], self.said) if self.silent else (self.said, [])
        return said

    def send(self, kind: int, payload: bytes) -> bool:
        if self.silent:
            return True
        if kind == kinds.HELLO:
            self.said.append((kinds.HELLO, b""))
        elif kind == kinds.PUT:
            key = decode_envelope(payload[1:]).key
            self.taken.add((key.number, key.rung))
            self.said.append((kinds.STORED, pack_keys([key])))
        return True


class Trap:
    """The real application over the Pi's camera, simulated at its seam, in virtual time; it sees a cat all the time."""

    def __init__(self, folder: Path, faults: Faults | None = None) -> None:
        make_keys(folder / "keys")
        (folder / "keys" / "backend.pub").write_text(bytes(SigningKey(bytes(range(32))).verify_key).hex())
        self.time, self.supervisor, self.log = VirtualTime(), Supervisor(), io.StringIO()
        pixels = np.full((SIZE[1], SIZE[0], 3), 110, np.uint8)
        draw(pixels, Mark(burst=1, frame=0, shown=CAT, season=0), MIDDLE)
        self.module = Module(
            [packed(pixels)], monotonic_s=self.time.monotonic_s, sleep=self.time.sleep, faults=faults
        )  # fmt: skip
        self.camera = PiCamera(
            self.module.device, PiPlan(size=SIZE), uncertainty_ms=100, now_ms=self.time.now_ms,
            monotonic_s=self.time.monotonic_s, drive=VirtualDrive(self.time),
        )  # fmt: skip
        settings = settings_of(folder)
        self.folder = folder / "data"
        sealer, receipt_key = open_keys(settings)
        self.box: Outbox = open_outbox(self.folder, TRAP, UTC_MS)
        self.camera.start()
        self.box.declare_source(self.camera.source, None)
        uplink = Uplink(self.supervisor, self.box, receipt_key, Timing())
        clock = Clock(None, system_ms=self.time.now_ms, monotonic_ms=lambda: int(self.time.now_s * 1000))
        self._app = build_app(settings, self.camera, MarkReader(), sealer, self.box, uplink, None, clock)

    def run(self, seconds: float) -> None:
        end_s = self.time.now_s + seconds
        while self.time.now_s < end_s:
            self.camera.tend()
            with redirect_stderr(self.log):
                self._app.step(self.time.now_ms())
            self.time.sleep(0.05)

    def close(self) -> None:
        self.camera.close()
        self.box.close()


def reasons(box: Outbox) -> list[tuple[str, int, str]]:
    return [tuple(row) for row in box._db.execute("SELECT outcome, frames, reason FROM bursts ORDER BY burst_no")]


def test_a_camera_that_is_gone_in_mid_burst_gives_what_it_had_and_comes_back(tmp_path: Path) -> None:
    """The cable is loose from the third picture of the burst on, for three captures; then it is in again."""
    first = 12  # captures before the trigger
    with closing(Trap(tmp_path, Faults(gone=(first + 3, first + 6)))) as trap:
        while trap.module.captures < first:
            trap.run(0.05)
        trap.supervisor.wake()
        trap.run(60)
        trap.supervisor.wake()
        trap.run(30)
        (outcome, frames, reason), after = reasons(trap.box)
        assert outcome == "kept"
        assert 2 <= frames < 6
        assert f"{frames} of 6 frames: " in reason
        assert "it is opened again as soon as it answers" in reason
        assert after == ("kept", 6, "")
        assert {(n, r) for n in (1, 2) for r in (0, 1)} == trap.supervisor.taken
        assert all(trap.box.envelope(number, FULL) is not None for number in (1, 2))


def test_a_silent_supervisor_is_told_once_and_costs_nothing(tmp_path: Path) -> None:
    """It wakes the trap, and then says nothing for ten minutes; everything is kept, and handed over when it speaks."""
    with closing(Trap(tmp_path)) as trap:
        trap.supervisor.wake()
        trap.supervisor.wake()
        trap.run(1)
        trap.supervisor.silent = True
        trap.run(600)
        assert trap.box.position("pi") == 2
        assert trap.log.getvalue().splitlines().count(SILENT) == 1
        taken = set(trap.supervisor.taken)
        trap.supervisor.silent = False
        trap.run(60)
        assert trap.supervisor.taken >= taken | {(n, r) for n in (1, 2) for r in (0, 1)}
        assert "supervisor: the trouble is over" in trap.log.getvalue()
        assert read_status(trap.folder, TRAP)["objects"]["full"] == {"held": 2}


def test_a_supervisor_that_has_nothing_to_say_is_not_called_silent(tmp_path: Path) -> None:
    with closing(Trap(tmp_path)) as trap:
        trap.supervisor.wake()
        trap.run(3600)
        assert trap.log.getvalue().count("supervisor") == 0


@pytest.mark.parametrize("years", [-56, -10, 30, 80])
def test_a_clock_that_is_years_off_loses_no_sighting_and_its_alert_says_so(tmp_path: Path, years: int) -> None:
    """Whole days of triggers with a clock of another decade, and a jump back in the middle."""
    season = replace(plan(1, 1, 12), spells=(), deaths=(), networked=False, moments=())
    with fused() as fuse:
        run = Run(season, tmp_path / "season", fuse)
        run.set_clock(years * YEAR_MS)
        books = run.run()
    assert books.violations == []
    assert books.counts["sightings"] > 2
    with closing(open_outbox(tmp_path / "season" / "data", TRAP, UTC_MS)) as box:
        for row in box._db.execute("SELECT number, taken_ms FROM events").fetchall():
            envelope = box.envelope(row["number"], ALERT)
            assert envelope is not None
            alert = decode_alert(envelope.body)
            believable = TIME_BASE_UNIX_MS <= row["taken_ms"] <= TIME_LAST_UNIX_MS
            assert (alert.uncertainty_ms is None) == (not believable)


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    make_keys(tmp_path / "keys")
    (tmp_path / "keys" / "backend.pub").write_text(bytes(SigningKey(bytes(range(32))).verify_key).hex())
    path = tmp_path / "trapcam.toml"
    path.write_text(
        f'trap = 7\ndata = "{tmp_path}/data"\ncamera.replay.folder = "{default_pictures(tmp_path / "pictures")}"\n'
        + "".join(
            f'keys.{name} = "{tmp_path}/keys/{file}"\n'
            for name, file in (("base", "base.pub"), ("recipients", "recipients.txt"), ("receipts", "backend.pub"))
        )
    )
    return path


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("recipients.txt", None, "recipients.txt: the recipients of full frames cannot be read: "),
        ("recipients.txt", "", "recipients.txt: 0 recipients, allowed are 1–8 (one age1… a line)"),
        ("recipients.txt", "age1qqqq\n", "recipients.txt: line 1 is not an age1… public key"),
        ("base.pub", None, "base.pub: the bases' public key cannot be read: "),
        ("base.pub", "12ab\n", "base.pub: the bases' public key"),
    ],
)
def test_a_trap_whose_recipients_are_wrong_does_not_start_and_keeps_what_it_has(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | None, said: str
) -> None:
    with closing(open_outbox(tmp_path / "data", 7, UTC_MS)) as box:
        epoch = box.epoch
    key = tmp_path / "keys" / name
    if text is None:
        key.unlink()
    else:
        key.write_text(text)
    for command in ("run", "config check"):
        assert main([*command.split(), "--config", str(config)]) == 2
        told = capsys.readouterr().err
        assert said in told
        assert "Traceback" not in told
    assert read_status(tmp_path / "data", 7)["epoch"] == epoch
