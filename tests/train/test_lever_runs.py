"""`train.levers` runs nothing twice, and mixes no figures of different runs."""

from pathlib import Path

import pytest
from train import data, levers, prepare
from train_parts import row, write_folder


def material(folder: Path, *, pictures: list[data.Picture]) -> prepare.Material:
    parts = {"train": pictures, "validation": pictures, "test": pictures}
    pixels = data.read_all(folder, pictures, folder / "pixels")
    return prepare.Material(
        images=folder, parts=parts, pixels=pixels, prints={}, start=[], start_name="net.tflite", proposer={}
    )


def test_what_has_run_is_not_run_again(tmp_path: Path) -> None:
    pictures = data.load_manifest(write_folder(tmp_path, [row("a.png"), row("b.png")]))
    asked = []

    def score() -> levers.Scores:
        asked.append(1)
        return {"validation": [0.5, 0.25], "test": [1.0, 0.0]}

    for _ in range(2):
        found = levers._once(tmp_path / "run", {"seed": 1, "without": ()}, material(tmp_path, pictures=pictures), score)
        assert found["scores"] == {"validation": [0.5, 0.25], "test": [1.0, 0.0]}
    assert len(asked) == 1
    assert not list(tmp_path.rglob("*.part"))
    with pytest.raises(data.DataError, match=r"run/scores\.json: made with other settings or pictures"):
        levers._once(tmp_path / "run", {"seed": 2, "without": ()}, material(tmp_path, pictures=pictures), score)
    with pytest.raises(data.DataError, match="other settings or pictures"):
        levers._once(tmp_path / "run", {"seed": 1, "without": ()}, material(tmp_path, pictures=pictures[:1]), score)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row("a.png", boxes="[[1]]")], "manifest.csv, line 2"),
        ([row(f"{i}.png") for i in range(20)], "no pictures without cats among"),
        ([], "no picture to learn from"),
    ],
)
@pytest.mark.parametrize("command", ["train", "train.levers"])
def test_a_folder_that_cannot_teach_is_refused_with_a_reason(
    command: str, rows: list[dict[str, str]], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from train.__main__ import main as train_main

    write_folder(tmp_path, rows)
    files = {
        "--images": tmp_path,
        "--start": "n.tflite",
        "--proposer": "f.pth",
        "--out": tmp_path / "o",
        "--work": tmp_path,
    }
    given = [str(word) for pair in files.items() for word in pair]
    monkeypatch.setattr("sys.argv", [command, *given])
    assert (train_main if command == "train" else levers.main)() == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"{command}: ")
    assert said in last


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--steps", "99"], "--steps 99: 100 to 10000 are allowed"),
        (["--only", "fog"], "'fog'"),
        (["--seeds", "1", "1"], "--seeds: one is named twice"),
        (["--trained", "nowhere"], "--trained nowhere: has no checkpoints"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_read(
    wrong: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--images", "d", "--start", "n.tflite", "--proposer", "f.pth", "--out", "o.md"]
    monkeypatch.setattr("sys.argv", ["train.levers", *given, *wrong])
    with pytest.raises(SystemExit) as stopped:
        levers.main()
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
