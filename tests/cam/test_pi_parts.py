"""The Pi's camera as part of a trap: in its real thread, in the app and its outbox, from the settings, as a process."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cam_parts import BACKEND, ColourJudge, sealer
from conftest import TRAP
from pi_parts import SIZE, Rig, scene

from trapcam.app import TrapApp
from trapcam.camera.device import CameraLostError
from trapcam.camera.gpio import GpioLamp
from trapcam.camera.pi import PiCamera, PiPlan
from trapcam.camera.watch import Bounds
from trapcam.capture import Capture, Policy
from trapcam.cli import main
from trapcam.frames import Burst
from trapcam.outbox import Outbox
from trapcam.status import read_status
from trapcam.trigger import CAUSE_PIR, IntervalTrigger, Trigger
from trapcam.uplink import Timing, Uplink
from trapkit.errors import SetupError, StorageError
from trapsim.picam import Faults, Module

Output = pytest.CaptureFixture[str]
LONG_S = 30.0  # longer than any of these tests may take
QUICK = Bounds(start_s=3, shot_s=0.4, close_s=0.4, pause_s=0.01, longest_pause_s=0.05)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Live:
    """A camera on a simulated module, in its own thread and in real time; `release` ends all that hangs."""

    def __init__(self, faults: Faults, frame_s: float = 0.005) -> None:
        self.release = threading.Event()
        self.module = Module(
            [scene(number) for number in range(40, 240)],
            monotonic_s=time.monotonic, sleep=self.release.wait, faults=faults, frame_s=frame_s,
        )  # fmt: skip
        plan = PiPlan(frames=4, every_s=0.03, preroll=2, answer_s=2.0, size=SIZE, bounds=QUICK)
        self.camera = PiCamera(self.module.device, plan, uncertainty_ms=None, now_ms=now_ms)

    def until(self, counter: str) -> list[str]:
        """What was told until this was."""
        told: list[str] = []
        for _ in range(3000):
            told += [notice.counter for notice in self.camera.tend()]
            if counter in told:
                return told
            threading.Event().wait(0.01)
        raise AssertionError(f"never {counter}: {told}")

    def burst(self) -> Any:
        return self.camera.frames(Trigger(number=1, cause=CAUSE_PIR, at_ms=now_ms()), 0)


def test_in_its_thread_it_gives_bursts_while_nobody_waits() -> None:
    live = Live(Faults())
    live.camera.start()
    for _ in range(5):
        burst = live.burst()
        assert isinstance(burst, Burst)
        times = [frame.taken_ms for frame in burst.frames]
        assert (len(times), times) == (4, sorted(times))
    live.camera.close()
    assert (live.module.open, live.camera.hung) == (0, False)


def test_a_capture_that_never_returns_is_left_behind_and_its_device_closed() -> None:
    live = Live(Faults(hang=(20,), hang_s=LONG_S))
    live.camera.start()
    assert live.until("camera_restarts_hung") == ["camera_restarts_hung"]
    live.camera.tend()
    assert isinstance(live.burst(), Burst)
    assert (live.module.most_open, live.module.starts, live.camera.hung) == (1, 2, True)
    live.release.set()
    live.camera.close()


def test_a_burst_goes_on_after_a_hang_within_it() -> None:
    live = Live(Faults(hang=(20,), hang_s=LONG_S))
    live.camera.start()
    bursts = [live.burst() for _ in range(10)]
    assert all(isinstance(burst, Burst) for burst in bursts)
    assert live.module.starts == 2
    live.release.set()
    live.camera.close()


def test_too_many_threads_that_hang_end_the_process_with_a_clear_line() -> None:
    live = Live(Faults(hang=range(20, 2000), hang_close=range(1, 2000), hang_s=LONG_S))
    live.camera.start()
    with pytest.raises(CameraLostError, match="2 threads left behind: this process ends, to be started again"):
        live.until("never")
    live.release.set()


def test_closing_a_camera_that_hangs_takes_no_longer_than_its_bound() -> None:
    live = Live(Faults(hang_close=(1,), hang_s=LONG_S))
    live.camera.start()
    began_s = time.monotonic()
    live.camera.close()
    assert time.monotonic() - began_s < 5
    assert live.camera.hung
    live.release.set()


# --- in the app -------------------------------------------------------------------------------------------------------


class Unit:
    """The app on a simulated camera in virtual time, triggered each second."""

    def __init__(self, rig: Rig, outbox: Outbox, supervisor: Any) -> None:
        self.rig, self.lines = rig, []
        rig.camera.start()
        outbox.declare_source(rig.camera.source, rig.camera.total)
        uplink = Uplink(supervisor.port, outbox, bytes(BACKEND.verify_key), Timing())
        self.app = TrapApp(
            rig.camera, Capture(ColourJudge(), sealer(), Policy()), outbox, uplink,
            interval=IntervalTrigger(1000), report=self.lines.append, tend=rig.camera.tend,
        )  # fmt: skip
        self.lines: list[str]

    def run(self, seconds: float) -> None:
        end_s = self.rig.time.now_s + seconds
        while self.rig.time.now_s < end_s:
            self.app.step(self.rig.time.now_ms())
            self.rig.time.sleep(0.05)


def test_every_restart_is_counted_in_the_outbox_by_what_failed(outbox: Outbox, supervisor: Any, tmp_path: Path) -> None:
    rig = Rig(Faults(fail=(40, 80), late=(120,), no_memory=(4,)), bounds=Bounds(renew_shots=60, good_shots=3))
    unit = Unit(rig, outbox, supervisor)
    unit.run(120)
    status = read_status(tmp_path / "data", TRAP)
    assert status["camera_restarts"] == {"error": 2, "memory": 1, "silent": 1}
    assert status["camera_renewals"] == rig.camera._watch.renewals > 0
    assert any("camera: Failed to queue request: Invalid argument; it is opened again" in line for line in unit.lines)
    assert status["rejected"]["nothing seen"] + status["unreadable"] == outbox.position("pi") > 20


def test_restarts_wait_to_be_counted_while_the_card_is_full(
    outbox: Outbox, supervisor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = Unit(Rig(Faults(fail=(20, 40))), outbox, supervisor)

    def full(name: str, by: int = 1) -> None:
        raise StorageError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "count", full)
        unit.run(30)
    assert read_status(tmp_path / "data", TRAP)["camera_restarts"] == {}
    unit.run(1)
    assert read_status(tmp_path / "data", TRAP)["camera_restarts"] == {"error": 2}


def test_a_camera_that_is_lost_ends_the_loop_after_all_is_counted(
    outbox: Outbox, supervisor: Any, tmp_path: Path
) -> None:
    unit = Unit(Rig(Faults(gone=(40, 100_000))), outbox, supervisor)
    with pytest.raises(CameraLostError, match="no camera number 0 found"):
        unit.run(600)
    assert sum(read_status(tmp_path / "data", TRAP)["camera_restarts"].values()) == Bounds().in_a_row


def test_a_process_whose_camera_hangs_for_good_ends_with_1_and_says_why(
    keys: str, supervisor: Any, tmp_path: Path, capsys: Output
) -> None:
    config = tmp_path / "trapcam.toml"
    config.write_text(keys + 'camera.kind = "pi"\ncamera.pi.every_s = 0.1\ntrigger.source = "interval"\n')
    program = Path(__file__).parent / "scripted_pi.py"
    process = subprocess.Popen(
        [sys.executable, str(program), "run", "--config", str(config)], stderr=subprocess.PIPE, text=True
    )
    try:
        told = process.communicate(timeout=60)[1]
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.returncode == 1, told
    assert "threads left behind: this process ends, to be started again" in told.splitlines()[-1]
    assert "Traceback" not in told
    assert main(["status", "--json", "--config", str(config)]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["camera_restarts"]["hung"] == 2


# --- the settings and the adapters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("frames = 7", "'camera.pi.frames' is 7"),
        ("preroll = 5\nframes = 5", "'camera.pi.preroll' is 5; allowed are 0–4"),
        ("every_s = 0.2\nrate = 2", "'camera.pi.every_s' is 0.2; allowed is 0.5 and more"),
        ("night_ms = 60\nrate = 20", "are 60 and 8; allowed is up to 50"),
        ("lens_position = 16", "'camera.pi.lens_position' is 16"),
        ("lamp_gpio = 28", "'camera.pi.lamp_gpio' is 28"),
        ("lamp_gpio = 17\nfilter_gpio = 17", "'camera.pi.lamp_gpio' and 'camera.pi.filter_gpio' are both 17"),
        ("lamp_gpio = 17\ngpio_chip = '/dev/none'", "'camera.pi.gpio_chip' is '/dev/none': no such chip"),
        ("light = 'dusk'", "'camera.pi.light'"),
        ("renew_shots = 1500", "'camera.pi.renew_shots' is 1500"),
        ("", "picamera2 cannot be imported"),
    ],
)
def test_a_setting_that_cannot_be_is_named(keys: str, tmp_path: Path, text: str, says: str, capsys: Output) -> None:
    config = tmp_path / "trapcam.toml"
    config.write_text(f"{keys}[camera]\nkind = 'pi'\n[camera.pi]\n{text}\n")
    assert main(["config", "check", "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert says in error, error
    assert "Traceback" not in error


def test_without_picamera2_it_says_where_it_comes_from(keys: str, tmp_path: Path, capsys: Output) -> None:
    config = tmp_path / "trapcam.toml"
    config.write_text(f"{keys}camera.kind = 'pi'\n")
    assert main(["config", "check", "--config", str(config)]) == 2
    assert "sudo apt install python3-picamera2" in capsys.readouterr().err


class Lines:
    """A chip's lines behind gpiod's own settings: what was asked for, and their levels."""

    def __init__(self, config: Any) -> None:
        self.levels = {number: settings.output_value for number, settings in config.items()}
        self.outputs = {number for number, settings in config.items() if settings.direction.name == "OUTPUT"}
        self.released = False

    def set_value(self, number: int, value: Any) -> None:
        assert number in self.outputs
        assert not self.released
        self.levels[number] = value

    def release(self) -> None:
        self.released = True


def test_the_lamp_begins_dark_and_ends_dark_and_the_filter_begins_in(monkeypatch: pytest.MonkeyPatch) -> None:
    gpiod = pytest.importorskip("gpiod")
    made: list[Lines] = []

    def request_lines(chip: str, consumer: str, config: Any) -> Lines:
        assert (chip, consumer) == ("/dev/gpiochip0", "trapcam")
        made.append(Lines(config))
        return made[-1]

    monkeypatch.setattr(gpiod, "request_lines", request_lines)
    on, off = gpiod.line.Value.ACTIVE, gpiod.line.Value.INACTIVE
    lamp = GpioLamp("/dev/gpiochip0", 17, 22)
    assert made == [], "nothing is touched before the first use"
    lamp.light(False)
    assert made[0].levels == {17: off, 22: on}
    lamp.light(True)
    lamp.filter(False)
    assert made[0].levels == {17: on, 22: off}
    lamp.close()
    lamp.close()
    assert (len(made), made[0].levels[17], made[0].released) == (1, off, True)


def test_a_chip_that_is_none_is_said_at_the_start_by_the_real_library(tmp_path: Path) -> None:
    pytest.importorskip("gpiod")
    chip = tmp_path / "chip"
    chip.touch()
    rig = Rig(lamp=GpioLamp(str(chip), 17, None))
    with pytest.raises(SetupError, match=r"camera.pi.lamp_gpio, camera.pi.gpio_chip: "):
        rig.camera.start()
    rig.camera.close()
