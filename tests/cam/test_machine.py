"""A trap switches off its own computer, and nobody's desk."""

import json
from pathlib import Path

import pytest

from trapcam import machine
from trapkit.errors import SetupError
from trapship.machine import record as installed

WORD = "the supervisor lets this computer go: "


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this computer says what was installed; nothing was."""
    path = tmp_path / "installed.json"
    monkeypatch.setattr(machine.is_trap, "__defaults__", (path,))
    return path


def shuts_down(tmp_path: Path) -> tuple[int, bool, str]:
    """The exit code, whether the command was run, and what is said."""
    said: list[str] = []
    went = tmp_path / "went"
    went.unlink(missing_ok=True)
    return machine.shut_down(["touch", str(went)], said.append), went.exists(), said[0]


def test_what_an_installation_leaves_is_what_a_trap_reads(tmp_path: Path) -> None:
    assert str(machine.RECORD) == installed.RECORD
    (tmp_path / "opt/pugmark").mkdir(parents=True)
    installed.write_record(tmp_path, installed.Record(role="trap"))
    assert machine.is_trap(tmp_path / "opt/pugmark/installed.json")


def test_a_trap_that_deploy_install_made_is_switched_off(here: Path, tmp_path: Path) -> None:
    here.write_text(json.dumps({"role": "trap"}))
    assert shuts_down(tmp_path)[:2] == (0, True)


@pytest.mark.parametrize("said", [None, '{"role": "base"}', '{"role": ', "[]", "7"])
def test_any_other_computer_stays_on_and_it_is_said_why(said: str | None, here: Path, tmp_path: Path) -> None:
    if said is not None:
        here.write_text(said)
    code, went, told = shuts_down(tmp_path)
    assert (code, went) == (0, False)
    assert told.startswith(f"{WORD}'touch ")
    assert "is left out, for `deploy/install trap` did not make this computer" in told


def test_where_nothing_is_to_switch_it_off_that_is_said(here: Path) -> None:
    said: list[str] = []
    assert machine.shut_down([], said.append) == 0
    assert said == [f"{WORD}nothing is told to shut it down"]


def test_a_command_that_is_not_there_is_named(here: Path) -> None:
    here.write_text(json.dumps({"role": "trap"}))
    with pytest.raises(SetupError, match="power_off"):
        machine.shut_down(["/nowhere/poweroff"], print)
