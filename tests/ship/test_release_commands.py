"""The commands around a release, and every command in the guide's section about them, in its order."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from getpass import getuser
from pathlib import Path

import pytest
from tests.ship.release_bench import CHEAP, PHRASE, Trap, bundle, pack

from trapkit.update.client import Unit, take
from trapkit.update.reasons import TAKING
from trapkit.update.sources import FolderSource
from trapship import vault
from trapship.cli import main

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "deploy/guide-engineer.md"


def section() -> str:
    """The guide's part about releases."""
    return GUIDE.read_text().split("\n## Releases\n")[1].split("\n## ")[0]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engineer's desk: somebody at a keyboard, who types the passphrase."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(vault, "DEFAULT_COST", CHEAP)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda _: PHRASE.decode())
    return tmp_path


def run(line: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    """A command's output; one that fails otherwise says so."""
    done = main(shlex.split(line)[1:])
    said = capsys.readouterr()
    assert done == code, said
    return said.out if code == 0 else said.err


def test_every_command_of_the_guide_does_what_it_says(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle(desk / "bundle")
    run("trapship init OPERATOR", capsys)
    (desk / "models").symlink_to(ROOT / "models")
    (desk / "STICK").mkdir()
    done = []
    for block in re.findall(r"^```\n(.*?)^```$", section(), re.M | re.S):
        for line in block.splitlines():
            words = shlex.split(line)
            if words[0] == "trapship":
                done.append((words[1], run(line, capsys)))
            elif words[:2] == ["pip", "wheel"]:  # without the isolation that would fetch hatchling again
                command = [sys.executable, "-m", *words[:-1], "-q", "--no-build-isolation", str(ROOT)]
                subprocess.run(command, check=True, capture_output=True)
            elif words[0] == "cp":
                for source in words[2:-1]:
                    shutil.copytree(source, desk / words[-1] / Path(source).name, dirs_exist_ok=True)
            else:
                assert words[:2] == ["pip", "install"]
    said = dict(done)
    assert "2026.12.1: is what shall run (serial 1)" in done[5][1]
    assert "REPO: 2026.12.1 shall run" in said["status"]
    assert "2026.12.1: shall run again, also where a release up to serial 2 is installed" in said["rollback"]
    assert "waits for 1 of the keys before and 1 of its own keys" in said["rotate"]
    assert "root 2" in done[-1][1]
    assert "root.json: kept" in said["tuf-keys"]
    assert said["rehearse-loss"].count("lost: ") == 5 + 6
    assert "nothing of yours was changed" in said["rehearse-loss"]
    assert "SAFE/OPERATOR: has every release key that OPERATOR has" in said["rehearse-loss"]
    assert "no copy of OPERATOR has that key yet" in said["rotate"]
    assert "OPERATOR/tuf/timestamp.key: was replaced and signs nothing any more" in done[-1][1]
    unit = Unit(root=(desk / "OPERATOR/tuf/root.json").read_bytes())
    for place in ("STICK", "REPO"):
        offered = take(FolderSource(desk / place), desk / f"unit-{place}", _clock(), unit=unit)
        assert offered
        assert sorted(offered.files) == ["application", "model", "supervisor"]


def _clock() -> Trap:
    """A clock that is right."""

    class Now(Trap):
        def __init__(self) -> None:
            from time import time

            self.own_ms, self.authenticated, self.ticks_ms = int(time() * 1000), True, 0

    return Now()


def test_the_guide_names_every_command_and_code() -> None:
    text = section()
    steps = "tuf-keys build sign publish status rollback rotate countersign move-key rehearse-loss"
    for command in steps.split():
        assert f"trapship {command} " in text
    for code in TAKING:
        assert f"`{code}`" in text


def test_a_passphrase_that_is_another_opens_nothing(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("trapship tuf-keys OPERATOR", capsys)
    (desk / "phrase").write_text("not what it was made with\n")
    pack(desk / "in", "x")
    run("trapship build build --release 2026.12.1 --settings in/pack.toml", capsys)
    said = run("trapship sign build REPO --operator OPERATOR --passphrase-file phrase", capsys, 2)
    assert "does not open: another passphrase" in said
    said = run("trapship publish REPO --operator OPERATOR --passphrase-file phrase --passphrase-file phrase", capsys, 2)
    assert "2 passphrase files for 1 folders" in said
    assert "is missing: this is no repository yet" in run("trapship publish REPO --operator OPERATOR", capsys, 2)


def test_status_is_read_by_programs_and_needs_no_key(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("trapship tuf-keys OPERATOR --roots 1 --threshold 1", capsys)
    pack(desk / "in", "x")
    run("trapship build build --release 2026.12.1 --settings in/pack.toml", capsys)
    run("trapship sign build REPO --operator OPERATOR", capsys)
    told = json.loads(run("trapship status REPO --json", capsys))
    assert told["current"] is None
    assert told["notes"] == ["signed targets wait for `trapship publish`"]
    run("trapship publish REPO --operator OPERATOR", capsys)
    told = json.loads(run("trapship status REPO --json", capsys))
    assert told["current"]["release"] == "2026.12.1"
    left = {role: each["days_left"] for role, each in told["roles"].items()}
    days = {"root": 1825, "targets": 365, "snapshot": 180, "timestamp": 90}
    assert all(days[role] - 1 <= left[role] <= days[role] for role in days)


def test_a_key_is_moved_whole_or_stays(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("trapship tuf-keys OPERATOR", capsys)
    assert "is the folder that has it already" in run("trapship move-key OPERATOR tuf/root-2.key OPERATOR", capsys, 2)
    assert "there is no such secret" in run("trapship move-key OPERATOR tuf/root-9.key STICK", capsys, 2)
    run("trapship move-key OPERATOR tuf/root-2.key STICK", capsys)
    assert not (desk / "OPERATOR/tuf/root-2.key").exists()
    (desk / "OPERATOR/tuf/root-2.key").write_bytes((desk / "STICK/tuf/root-2.key").read_bytes())
    assert "is not overwritten" in run("trapship move-key OPERATOR tuf/root-2.key STICK", capsys, 2)
    assert (desk / "OPERATOR/tuf/root-2.key").exists()


CHANGING = (
    "sign build REPO --operator OPERATOR",
    "publish REPO --operator OPERATOR",
    "rollback REPO --to 2026.12.1 --operator OPERATOR",
    "rotate REPO --role timestamp --operator OPERATOR",
    "countersign REPO --operator OPERATOR",
)


def test_two_who_change_a_repository_at_once_are_told_who_was_first(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first is another process, as another engineer's would be; however it ends, the next may."""
    run("trapship tuf-keys OPERATOR --roots 1 --threshold 1", capsys)
    pack(desk / "in", "x")
    run("trapship build build --release 2026.12.1 --settings in/pack.toml", capsys)
    run("trapship sign build REPO --operator OPERATOR", capsys)
    hold = (
        "import pathlib, sys\nfrom trapship.release.lock import held\n"
        "with held(pathlib.Path('REPO'), 'publish'):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    before = {path: path.read_bytes() for path in (desk / "REPO").rglob("*.json")}
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        for line in CHANGING:
            said = run(f"trapship {line}", capsys, 2)
            assert f"REPO: is being changed by `trapship publish` ({getuser()} on " in said, line
            assert f"process {other.pid}, since " in said
        assert {path: path.read_bytes() for path in (desk / "REPO").rglob("*.json")} == before
        run("trapship status REPO", capsys)  # to look changes nothing
        other.kill()
    assert "timestamp 1" in run("trapship publish REPO --operator OPERATOR", capsys)
    assert (desk / "REPO/trapship.lock").read_text() == ""


def test_where_no_repository_is_a_lock_makes_none(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("trapship tuf-keys OPERATOR", capsys)
    assert "this is no repository yet" in run("trapship publish NONE --operator OPERATOR", capsys, 2)
    assert not (desk / "NONE").exists()
