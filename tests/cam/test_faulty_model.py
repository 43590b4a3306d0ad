"""A model or description that is not the one it should be: named before the first picture."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cam_parts import CAT, write_picture

from trapcam.cli import main
from trapcam.cmd_run import open_judge
from trapcam.config import TrapSettings, model_path
from trapkit.settings import load_settings

MODEL = model_path(TrapSettings())
Output = pytest.CaptureFixture[str]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the committed model with its description."""
    folder = tmp_path / "models"
    folder.mkdir()
    for suffix in (".tflite", ".toml"):
        shutil.copy(MODEL.with_suffix(suffix), folder)
    return folder / MODEL.name


def described(model: Path, content: bytes) -> None:
    """Other bytes as the model, with a description that names them: all checks but the runtime's own are content."""
    model.write_bytes(content)
    text = model.with_suffix(".toml").read_text("utf-8")
    old = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    model.with_suffix(".toml").write_text(text.replace(old, hashlib.sha256(content).hexdigest()), "utf-8")


def edited(model: Path, old: str, new: str) -> None:
    path = model.with_suffix(".toml")
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


REFUSED = "feline.tflite: the runtime refuses this model"
REQUIRED = "detector.required = true\n"
AGAIN = "copy the .tflite and the .toml again, both from one release"

FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (
        lambda model: model.unlink(),
        "feline.tflite: there is no such model; set detector.model (trapcam detect: --model) to a .tflite file",
    ),
    "a folder": (
        lambda model: (model.unlink(), model.mkdir()),
        "feline.tflite: there is no such model; set detector.model",
    ),
    "zero bytes": (lambda model: model.write_bytes(b""), f"another description: {AGAIN}"),
    "truncated": (lambda model: model.write_bytes(MODEL.read_bytes()[:50_000]), f"another description: {AGAIN}"),
    "one bit": (
        lambda model: model.write_bytes(MODEL.read_bytes()[:-1] + bytes([MODEL.read_bytes()[-1] ^ 1])),
        "feline.tflite: sha256 = '",
    ),
    "text": (lambda model: described(model, b"this is no model\n" * 99), REFUSED),
    "truncated and described": (
        lambda model: described(model, MODEL.read_bytes()[:50_000]), REFUSED
    ),
    "no description": (
        lambda model: model.with_suffix(".toml").unlink(),
        f"cannot read the model's description: No such file or directory; it comes with the model: {AGAIN}",
    ),
    "a description of nothing": (
        lambda model: model.with_suffix(".toml").write_bytes(b""), "feline.toml: sha256 = None is not allowed"
    ),
    "a description that is none": (
        lambda model: model.with_suffix(".toml").write_bytes(b"\xff\xd8\xff"), "feline.toml: not a TOML file"
    ),
    "another input shape": (
        lambda model: edited(model, "width_px = 192", "width_px = 256"),
        "feline.tflite: input shape = (1, 192, 192, 3) is not allowed: its description says (1, 192, 256, 3); " + AGAIN,
    ),
    "another output shape": (
        lambda model: edited(model, "[1, 12, 12,", "[1, 7, 7,"),
        "feline.tflite: shape of output objectness = (1, 12, 12, 1) is not allowed: its description says (1, 7, 7, 1)",
    ),
    "other classes": (
        lambda model: edited(model, '"person", "vehicle"]', '"walker", "vehicle"]'),
        "feline.toml: classes = ['feline', 'other_animal', 'walker', 'vehicle'] is not allowed: person and",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_trap_that_requires_a_model_does_not_start_and_says_why(
    tmp_path: Path, model: Path, pictures: Path, keys: str, capsys: Output, fault: str
) -> None:
    """No outbox is made and no picture is judged: with the right model, all of them come."""
    damage, says = FAULTS[fault]
    write_picture(pictures / "a.png", CAT)
    damage(model)
    config = tmp_path / "trapcam.toml"
    config.write_text(f'{keys}detector.model = "{model}"\ncamera.replay.folder = "{pictures}"\n{REQUIRED}')
    assert main(["run", "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"trapcam: {tmp_path}/models/feline.t"), error
    assert says in error
    assert "Traceback" not in error
    assert not (tmp_path / "data" / "outbox.sqlite").exists()


@pytest.mark.parametrize("fault", FAULTS)
def test_any_other_trap_goes_on_without_it_and_says_why(tmp_path: Path, model: Path, keys: str, fault: str) -> None:
    """`test_unjudged.py` has what it does then."""
    damage, says = FAULTS[fault]
    damage(model)
    config = tmp_path / "trapcam.toml"
    config.write_text(f'{keys}detector.model = "{model}"\n')
    judge, why = open_judge(load_settings(TrapSettings, config))
    assert judge is None
    assert says in why
    assert "\n" not in why


@pytest.mark.parametrize("fault", FAULTS)
def test_detect_writes_nothing_with_it(tmp_path: Path, model: Path, pictures: Path, capsys: Output, fault: str) -> None:
    damage, says = FAULTS[fault]
    write_picture(pictures / "a.png", CAT)
    damage(model)
    out = tmp_path / "results.json"
    assert main(["detect", str(pictures), "--model", str(model), "--out", str(out)]) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("fault", ["missing", "zero bytes", "truncated", "one bit", "no description", "other classes"])
def test_config_check_finds_it_before_the_walk(
    tmp_path: Path, model: Path, pictures: Path, keys: str, capsys: Output, fault: str
) -> None:
    damage, says = FAULTS[fault]
    write_picture(pictures / "a.png", CAT)
    damage(model)
    config = tmp_path / "trapcam.toml"
    config.write_text(f'{keys}detector.model = "{model}"\ncamera.replay.folder = "{pictures}"\n')
    assert main(["config", "check", "--config", str(config)]) == 2
    assert says in capsys.readouterr().err
