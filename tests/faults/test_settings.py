"""Settings that must be mended: every program names file, key, value and what is allowed, and ends with 2."""

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from trapbase.cli import main as trapbase
from trapbase.radio_counter import read_counter
from trapcam.cli import main as trapcam
from trapkit.errors import SetupError
from trapship.broker import write_broker
from trapship.certificates import make_fleet
from trapsim.cli import main as trapsim

PROGRAMS: dict[str, Callable[[list[str]], int]] = {"trapcam": trapcam, "trapbase": trapbase}


def said(program: Callable[[list[str]], int], arguments: list[str]) -> tuple[int, str]:
    """Exit code and stderr of a command."""
    stderr = io.StringIO()
    with redirect_stderr(stderr):
        code = program(arguments)
    return code, stderr.getvalue()


@pytest.mark.parametrize("command", [["run"], ["status"], ["config", "check"]])
@pytest.mark.parametrize(
    ("program", "text", "words"),
    [
        ("trapcam", "tarp = 1", "unknown key 'tarp' (is 'trap' meant?); nearest are: trap"),
        ("trapcam", "[uplink]\nanswers_s = 1", "unknown key 'uplink.answers_s' (is 'uplink.answer_s' meant?); "),
        ("trapcam", "trap = 70000", "key 'trap' is 70000: Expected `int` <= 65535; allowed is int ≥ 0, ≤ 65535 (This"),
        ("trapcam", "camera = 3", "key 'camera' is 3: it is one table; write [camera] and its keys below"),
        ("trapcam", "[uplink]\nanswer_s = 0", "allowed is float ≥ 0.1, ≤ 600 (Wait for an answer before offering"),
        (
            "trapcam",
            "[trigger]\nsource = 'moon'",
            "'trigger.source' is 'moon': Invalid enum value 'moon'; allowed is",
        ),
        ("trapbase", "nmae = 'x'", "unknown key 'nmae' (is 'name' meant?); nearest are: name"),
        (
            "trapbase",
            "[page]\nprot = 1",
            "unknown key 'page.prot' (is 'page.port' meant?); ",
        ),
        ("trapbase", "[page]\nport = 0", "key 'page.port' is 0: Expected `int` >= 1; allowed is int ≥ 1, ≤ 65535 (TCP"),
        ("trapbase", "[[page]]\nport = 1", "key 'page' is [{'port': 1}]: it is one table; write [page] and its keys"),
        ("trapbase", "[upload]\nretry_min_s = nan", "key 'upload.retry_min_s' is nan: "),
        ("trapbase", "[[trap]]\nnumber = 0", "key 'trap[0].number' is 0: Expected `int` >= 1; allowed is int ≥ 1, ≤ 6"),
        ("trapbase", "[[trap]]\nnumber = 1\nsied = 'x'", "unknown key 'trap[0].sied' (is 'trap[].side' meant?); "),
        ("trapbase", "[[trap]]\nnumber = 1", "key 'trap[0].station' must be given: str like "),
        ("trapbase", f"name = '{'x' * 500}'", f"key 'name' is '{'x' * 79}…: "),
    ],
)
def test_a_key_or_value_that_cannot_be_is_named_with_what_is_allowed(
    tmp_path: Path, program: str, text: str, words: str, command: list[str]
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    code, shown = said(PROGRAMS[program], [*command, "--config", str(path)])
    assert code == 2
    assert shown.startswith(f"{program}: {path}: ")
    assert words in shown
    assert "Traceback" not in shown


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Path]:
    """A serial line for a unit."""
    ours, theirs = os.openpty()
    path = tmp_path / "tty"
    path.symlink_to(os.ttyname(theirs))
    yield path
    os.close(ours)
    os.close(theirs)


GOOD = {"role": "supervisor", "trap": 1, "plan": "cn470"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rol": "modem"}, "unknown setting 'rol'; allowed are: armed_from_h, armed_from_month, armed_to_h, "),
        ({"role": "toaster"}, "role 'toaster' is unknown; allowed are: modem, repeater, supervisor"),
        (GOOD | {"trap": 0}, "trap is 0; allowed is a whole number within 1–65535"),
        (GOOD | {"trap": "a"}, "trap is 'a'; allowed is a whole number within 1–65535"),
        (GOOD | {"sf": 13}, "sf is 13; allowed is a whole number within 7–12"),
        (GOOD | {"plan": "mars"}, "radio plan 'mars' is unknown, allowed: as923, cn470, "),
        (GOOD | {"queue_bytes": -4}, "queue_bytes is -4; allowed is a whole number within 1–16777216"),
        (GOOD | {"repeat_ms": True}, "repeat_ms is True; allowed is a whole number within 100–3600000"),
        (GOOD | {"times": {"zzz": 1}}, "unknown setting 'times.zzz'; allowed are: commit_ms, heartbeat_ms, "),
        (GOOD | {"times": {"slot_ms": 0}}, "times.slot_ms is 0; allowed is a whole number within 1–86400000"),
        (GOOD | {"times": []}, "times is []; allowed is a table with some of: commit_ms, "),
        (GOOD, "link_key has 0 characters; allowed are 32 hexadecimal digits, as trapship writes them"),
        (GOOD | {"role": "modem", "link_key": "00" * 16}, "link_key is set; allowed on a modem is none"),
        ([1], "[1] is no table of settings"),
    ],
)
def test_a_unit_names_the_setting_that_is_wrong(tmp_path: Path, line: Path, settings: object, words: str) -> None:
    path = tmp_path / "mcu.json"
    path.write_text(json.dumps(settings))
    command = ["unit", "--folder", str(tmp_path), "--serial", str(line), "--channel", "9", "--interpreter", "cpython"]
    code, shown = said(trapsim, command)
    assert code == 2
    assert f"trapsim: {path}: {words}" in shown


@pytest.mark.parametrize(
    ("text", "words"), [(None, "mcu.json: cannot be read: No such file"), ("{", "mcu.json: is not JSON: ")]
)
def test_a_unit_names_a_file_that_is_none(tmp_path: Path, line: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "mcu.json").write_text(text)
    code, shown = said(trapsim, ["unit", "--folder", str(tmp_path), "--serial", str(line), "--channel", "9"])
    assert (code, words in shown) == (2, True), shown


def test_a_unit_names_a_serial_line_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "mcu.json").write_text(json.dumps(GOOD))
    code, shown = said(trapsim, ["unit", "--folder", str(tmp_path), "--serial", str(tmp_path / "x"), "--channel", "9"])
    assert code == 2
    assert f"--serial {tmp_path / 'x'}: there is no such serial line" in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [("many", "is not a counter"), ("-1", "-1 is not a 32-bit counter"), ("4294967296", "is not a 32-bit counter")],
)
def test_a_frame_counter_that_is_none_is_never_begun_again(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "radio-counter"
    path.write_text(text)
    with pytest.raises(SetupError, match="write a number there that is above every one it had") as refused:
        read_counter(path)
    assert f"{path}: " in str(refused.value)
    assert words in str(refused.value)


def test_what_trapship_cannot_do_is_named(tmp_path: Path) -> None:
    make_fleet(tmp_path / "fleet", ())
    with pytest.raises(SetupError, match="broker port 0 is not within 1–65535"):
        write_broker(tmp_path, tmp_path / "fleet", 0)
    (tmp_path / "fleet" / "server.key").unlink()
    with pytest.raises(SetupError, match=r"server\.key: is missing; make the fleet's certificates first"):
        write_broker(tmp_path, tmp_path / "fleet", 1)
