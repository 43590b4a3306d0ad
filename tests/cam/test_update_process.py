"""The real launcher and the real trap, as a process: it takes itself back; and `trapcam update` says how it stands."""

import json
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from cam_parts import NOTHING, write_picture

from trapcam.cli import main
from trapcam.updating.build import Own, own_slots, said_if_refused
from trapkit.errors import SetupError
from trapkit.update import install, launch
from trapkit.update.install import Record
from trapkit.update.offer import Offered, Part, Release
from trapkit.update.slots import Slots

NOW = 1_800_000_000_000


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    """A release with a model that is none is on trial in slot a; before it runs what is installed."""
    slots = Slots(tmp_path / "update")
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as made:
        made.writestr("feline.tflite", b"no net")
    release = Release(
        release="2026.12.1", built_ms=0, serial=1, parts={"model": Part(version="1", target="model/1.zip")}
    )  # fmt: skip
    for _ in slots.stage(Offered(release=release, files={"model": tmp_path / "model.zip"}), Record()):
        pass
    slots.write(install.begin(Record(), "2026.12.1", 1, "", "", time.time_ns() // 1_000_000))
    return slots


def test_a_release_whose_model_is_none_is_taken_back_by_itself(slots: Slots, tmp_path: Path, keys: str) -> None:
    """It ends, is started again without anybody's help, and runs as installed."""
    (tmp_path / "pictures").mkdir()
    write_picture(tmp_path / "pictures/a.png", NOTHING)
    (tmp_path / "trap.toml").write_text(f'camera.replay.folder = "{tmp_path}/pictures"\n{keys}')
    words = [sys.executable, "-m", "trapkit.update.launch", "--root", str(slots.root), "--"]
    words += ["run", "--config", str(tmp_path / "trap.toml")]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        lines, starts = [], 0
        for line in running.stderr:
            lines.append(line)
            starts += line.startswith("trap 7, epoch")
            if starts == 2:
                running.send_signal(signal.SIGTERM)
                break
        lines += running.stderr.readlines()
    assert running.returncode == 0, lines
    said = "".join(lines)
    assert said.index("starts slot a") < said.index("went back") < said.index("starts what was installed")
    record = slots.read()
    assert (record.good, record.trial, record.said.code) == ("", None, "model-not-usable")


def test_what_keeps_a_trial_from_coming_up_is_remembered(slots: Slots) -> None:
    own = Own(slots=slots, slot="a")
    with pytest.raises(SetupError), said_if_refused(own, "camera-gives-nothing"):
        raise SetupError("no camera")
    record = slots.read()
    assert record.trial is not None
    assert record.trial.trouble == "camera-gives-nothing"
    before = slots.read()
    for other in (Own(slots=slots, slot=""), None):
        with pytest.raises(SetupError), said_if_refused(other, "model-not-usable"):
            raise SetupError("no camera")
    assert slots.read() == before


def test_only_a_program_that_a_launcher_started_takes_updates() -> None:
    assert own_slots({}) is None
    found = own_slots({launch.FOLDER: "/x", launch.SLOT: "b"})
    assert found is not None
    assert (found.slots.root, found.slot) == (Path("/x"), "b")


def test_how_it_stands_in_words_and_for_a_program(slots: Slots, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["update", "--root", str(slots.root)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [
        "running: what was installed",
        "on trial: 2026.12.1 in slot a, 3 starts and 150 wakes left",
        "last: tries 2026.12.1; before it what was installed",
    ]
    slots.write(install.revert(slots.read(), "model-judges-badly", NOW))
    assert main(["update", "--root", str(slots.root), "--status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["running"], told["slot"], told["trial"]) == ("", "", None)
    assert told["said"]["code"] == told["gone"][0]["code"] == "model-judges-badly"
    assert told["slots"]["a"]["parts"] == {"model": "1"}


def test_a_folder_is_named_for_the_running_trap(
    slots: Slots, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["update", "--root", str(slots.root), "--from", str(tmp_path)]) == 2
    assert "no release lies there" in capsys.readouterr().err
    (tmp_path / "stick/metadata").mkdir(parents=True)
    (tmp_path / "stick/metadata/timestamp.json").write_text("{}")
    assert main(["update", "--root", str(slots.root), "--from", str(tmp_path / "stick")]) == 1
    assert capsys.readouterr().out == "later: it tries 2026.12.1, and looks when that is settled\n"
    assert main(["update", "--root", str(slots.root)]) == 0
    assert f"asked for {tmp_path}/stick: not looked at yet" in capsys.readouterr().out


def test_nothing_is_there_and_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["update", "--root", str(tmp_path / "none")]) == 0
    assert "slot b: empty" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
