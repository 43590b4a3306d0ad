"""`trapcam run` as a real process: killed at any time, stopped, started twice."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cam_parts import BACKEND, BASE, CAT, DEER, NOTHING, PERSON, REVIEWER, PtySupervisor, write_picture
from tests.support import many

from trapcam.cli import main

PROGRAM = Path(__file__).parent / "scripted_trap.py"
KILLS = many(4, 8)
PICTURES = many(30, 60)


@pytest.fixture
def config(tmp_path: Path, pictures: Path) -> Path:
    write_picture(pictures / "00.png", NOTHING)
    (tmp_path / "base.pub").write_text(bytes(BASE.public_key).hex())
    (tmp_path / "backend.pub").write_text(bytes(BACKEND.verify_key).hex())
    (tmp_path / "recipients.txt").write_text(str(REVIEWER.to_public()))
    path = tmp_path / "trapcam.toml"
    path.write_text(f"""\
trap = 7
data = "{tmp_path}/data"
[supervisor]
port = "{tmp_path}/tty"
[camera.replay]
folder = "{pictures}"
[trigger]
source = "interval"
interval_s = 0.01
[keys]
base = "{tmp_path}/base.pub"
receipts = "{tmp_path}/backend.pub"
recipients = "{tmp_path}/recipients.txt"
""")
    return path


def start(config: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), "run", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    guard = threading.Timer(60, process.kill)  # a hanging trap fails its test and does not stop the suite
    guard.daemon = True
    guard.start()
    return process


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    """The next lines of progress; fewer when the process ends."""
    assert process.stderr
    return [line for _, line in zip(range(count), process.stderr, strict=False)]


def end(process: subprocess.Popen[str], how: signal.Signals) -> int:
    process.send_signal(how)
    process.communicate(timeout=20)
    return process.returncode


@contextmanager
def answering(supervisor: PtySupervisor) -> Iterator[None]:
    """The supervisor answers in the background, in real time."""
    stop = threading.Event()
    thread = threading.Thread(target=lambda: [supervisor.step_live(0.02) for _ in iter(stop.is_set, True)])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_killed_at_any_time_it_loses_and_doubles_nothing(
    config: Path, pictures: Path, supervisor: PtySupervisor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(11)
    shown = [dice.choice((CAT, CAT, DEER, NOTHING, PERSON)) for _ in range(PICTURES)]
    for number, what in enumerate(shown):
        write_picture(pictures / f"{number:02}.png", what, number)
    with answering(supervisor):
        for _ in range(KILLS):
            process = start(config)
            lines(process, dice.randrange(1, 8))
            assert end(process, signal.SIGKILL) == -signal.SIGKILL
        process = start(config)
        told = ""
        while f"{PICTURES - 1}.png" not in told and process.poll() is None:
            told = "".join(lines(process, 1))
        assert end(process, signal.SIGTERM) == 0
    assert main(["status", "--json", "--config", str(config)]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["replay"] == {"position": PICTURES, "total": PICTURES}
    assert status["frames_in"] == PICTURES
    assert status["sightings"] == shown.count(CAT)
    assert status["frames_withheld"] == shown.count(PERSON)
    db = sqlite3.connect(tmp_path / "data" / "outbox.sqlite")
    names = [name for (name,) in db.execute("SELECT name FROM bursts ORDER BY burst_no")]
    assert names == [f"{n:02}.png" for n, what in enumerate(shown) if what != PERSON]
    assert db.execute("SELECT count(*), max(number) FROM events").fetchone() == (shown.count(CAT), shown.count(CAT))
    db.close()
    held = [p for p in (tmp_path / "data" / "full").iterdir() if p.suffix == ".age"]
    assert len(held) == shown.count(CAT)


def test_a_second_copy_on_the_same_data_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = start(config)
    lines(process, 1)
    assert main(["run", "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert f"another trapcam (process {process.pid}) is running on this data" in error
    assert end(process, signal.SIGTERM) == 0
    assert main(["status", "--config", str(config)]) == 0


def test_without_a_supervisor_it_runs_and_waits(config: Path) -> None:
    process = start(config)
    assert "trap 7, epoch" in "".join(lines(process, 1))
    said = "".join(lines(process, 2))
    assert "cannot be opened" in said, "of the supervisor's line"
    assert "00.png: rejected (nothing seen)" in said
    assert process.poll() is None
    assert end(process, signal.SIGINT) == 0


def test_a_card_that_may_not_be_written(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    assert main(["run", "--config", str(config)]) == 2
    assert f"key 'data' is '{tmp_path}/data': cannot be used" in capsys.readouterr().err
    assert (tmp_path / "data").is_file()
