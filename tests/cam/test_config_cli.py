"""The settings and the commands: what a wrong one says, and with which exit code."""

import json
import shutil
from pathlib import Path

import pytest
from cam_parts import BACKEND, BASE, CAT, REVIEWER, write_picture
from msgspec.toml import decode

from trapcam.cli import main
from trapcam.config import MODEL_DEFAULT, TrapSettings, model_path
from trapkit.settings import load_settings, rows, show

Output = pytest.CaptureFixture[str]


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "trapcam.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trap = 70000", ["'trap'", "70000", "<= 65535"]),
        ("trap = 'seven'", ["'trap'", "'seven'", "int"]),
        ("trapp = 1", ["unknown key 'trapp'", "nearest are: trap"]),
        ("[camera]\nkind = 'film'", ["'camera.kind'", "'film'"]),
        ("[camera.replay]\nmegapixels = 3", ["unknown key 'camera.replay.megapixels'"]),
        ("[camera.replay]\nmax_megapixels = 1000", ["'camera.replay.max_megapixels'", "1000", "<= 60"]),
        ("[trigger]\nsource = 'moon'", ["'trigger.source'", "'moon'"]),
        ("[uplink]\nanswer_s = 0", ["'uplink.answer_s'", ">= 0.1"]),
        ("[keep]\ncategories = ['person']", ["keep.categories", "person"]),
        ("[keep]\ncategories = []", ["'keep.categories'", "[]"]),
        ("[clock]\nuncertainty_ms = -1", ["'clock.uncertainty_ms'", "-1"]),
        ("trap = ", ["is not TOML"]),
    ],
)
def test_a_wrong_setting_names_key_value_and_what_is_allowed(
    tmp_path: Path, text: str, says: list[str], capsys: Output
) -> None:
    assert main(["config", "show", "--config", written(tmp_path, text)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"trapcam: {tmp_path}/trapcam.toml: ")
    assert all(part in error for part in says), error
    assert "Traceback" not in error


def test_show_is_toml_that_reads_back_the_same(tmp_path: Path, capsys: Output) -> None:
    assert main(["config", "show"]) == 0
    text = capsys.readouterr().out
    assert decode(text, type=TrapSettings) == TrapSettings()
    assert load_settings(TrapSettings, Path(written(tmp_path, text))) == TrapSettings()


def test_every_key_has_a_text_with_a_unit_and_a_default_within_its_bounds() -> None:
    for key, allowed, _, text in rows(TrapSettings):
        assert text, key
        assert allowed, key
        number = allowed.startswith(("int", "float"))
        assert not number or "(" in text, f"{key} has no unit"
    decode(show(TrapSettings()), type=TrapSettings)


@pytest.fixture
def good(tmp_path: Path, pictures: Path) -> str:
    write_picture(pictures / "a.png", CAT)
    (tmp_path / "base.pub").write_text(bytes(BASE.public_key).hex())
    (tmp_path / "backend.pub").write_text(bytes(BACKEND.verify_key).hex())
    (tmp_path / "recipients.txt").write_text(str(REVIEWER.to_public()))
    for suffix in (".tflite", ".toml"):
        shutil.copy(model_path(TrapSettings()).with_suffix(suffix), tmp_path / f"model{suffix}")
    return f"""\
trap = 7
data = "{tmp_path}/data"
camera.replay.folder = "{pictures}"
detector.model = "{tmp_path}/model.tflite"
keys.base = "{tmp_path}/base.pub"
keys.receipts = "{tmp_path}/backend.pub"
keys.recipients = "{tmp_path}/recipients.txt"
"""


def test_check_finds_a_good_one_good(tmp_path: Path, good: str, capsys: Output) -> None:
    assert main(["config", "check", "--config", written(tmp_path, good)]) == 0
    assert "good; replay:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ("trap = 0", "trap = 7", "key 'trap' is 0; allowed are 1–65535"),
        ("model.tfl", "model.tflite", "there is no such model; set detector.model"),
        ("base.pup", "base.pub", "base.pup"),
        ("backend.pup", "backend.pub", "backend.pup"),
        ("recipients.tx", "recipients.txt", "recipients.tx"),
        ("/none", "/pictures", "camera.replay.folder"),
    ],
)
def test_check_names_what_is_missing(
    tmp_path: Path, good: str, wrong: str, right: str, says: str, capsys: Output
) -> None:
    path = written(tmp_path, good.replace(right, wrong) + "detector.required = true\n")
    assert main(["config", "check", "--config", path]) == 2
    assert says in capsys.readouterr().err
    assert main(["run", "--config", path]) == 2  # and `run` does not start with it
    assert says.partition(" is 0")[0].strip("'") in capsys.readouterr().err


def test_status_before_the_first_start(tmp_path: Path, good: str, capsys: Output) -> None:
    path = written(tmp_path, good)
    assert main(["status", "--json", "--config", path]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["frames_in"], status["replay"]) == (0, {"position": 0, "total": None})
    assert main(["status", "--config", path]) == 0
    assert "frames in: 0" in capsys.readouterr().out


def test_status_of_a_damaged_outbox_is_a_message(tmp_path: Path, good: str, capsys: Output) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "outbox.sqlite").write_bytes(b"no database" * 500)
    assert main(["status", "--config", written(tmp_path, good)]) == 1
    assert "outbox.sqlite: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["run"], ["status"], ["config"]])
def test_help(command: list[str], capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "usage: trapcam" in capsys.readouterr().out


def test_wrong_use_is_2(capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fly"])
    assert ended.value.code == 2


def test_a_checkout_s_model_stands_in_for_the_installed_one() -> None:
    assert model_path(TrapSettings()).name == Path(MODEL_DEFAULT).name
    assert model_path(TrapSettings()).parent.name == "models"
