"""Manifests, lists and options that `trapcam evaluate` refuses, by name and line."""

from pathlib import Path

import pytest
from evaluate_parts import ROWS, evaluate, manifest, write_images

from trapcam.evaluate.manifest import COLUMNS, load_manifest
from trapkit.errors import SetupError

Output = pytest.CaptureFixture[str]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images")


GOOD = ("a.jpg", "cat", "felid", "no", "no", "", "", "x")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("", *GOOD[1:]), "file is ''"),
        (("/etc/passwd", *GOOD[1:]), "file is '/etc/passwd'; allowed is a path within the folder"),
        (("../a.jpg", *GOOD[1:]), "file is '../a.jpg'"),
        (("a.jpg", "cat", "feline", *GOOD[3:]), "group is 'feline'; allowed are felid, domestic_cat"),
        ((*GOOD[:3], "maybe", *GOOD[4:]), "camera_trap is 'maybe'; allowed are yes, no"),
        ((*GOOD[:4], "", *GOOD[5:]), "night is ''; allowed are yes, no"),
        ((*GOOD[:6], "[[", "x"), "boxes is '[['; allowed is a JSON list"),
        ((*GOOD[:6], '[["cat", 1, 2]]', "x"), "allowed is a JSON list of [label, x, y, width, height]"),
        ((*GOOD[:6], '[["cat", 0, 0, NaN, 1]]', "x"), "x, y, width and height are 0–1 of the picture"),
        ((*GOOD[:6], '[["cat", 10, 20, 300, 200]]', "x"), "x, y, width and height are 0–1 of the picture"),
        (GOOD[:5], "has not as many fields as there are columns"),
        ((*GOOD, "more"), "has not as many fields as there are columns"),
        (("first.jpg", *GOOD[1:]), "file 'first.jpg' is there twice"),
    ],
)
def test_a_damaged_row_names_its_line(
    tmp_path: Path, images: Path, row: tuple[str, ...], says: str, capsys: Output
) -> None:
    manifest(tmp_path / "manifest.csv", [("first.jpg", *GOOD[1:]), ("second.jpg", *GOOD[1:]), row])
    assert evaluate(tmp_path) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path}/manifest.csv, line 4: " in error
    assert says in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "line 1: column file, label, group"),
        (b"file,label\na.jpg,cat\n", "line 1: column group, camera_trap"),
        (b"\xff\xfe\x00\x00", "is not UTF-8 text"),
        (b",".join(name.encode() for name in COLUMNS) + b'\n"a.jpg', "line 2: unexpected end of data"),
        (b",".join(name.encode() for name in COLUMNS) + b"\n", "no picture is left to look at"),
    ],
)
def test_what_is_no_manifest_is_refused(
    tmp_path: Path, images: Path, content: bytes, says: str, capsys: Output
) -> None:
    (tmp_path / "manifest.csv").write_bytes(content)
    assert evaluate(tmp_path) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--only", "nowhere.txt"], "--only nowhere.txt: cannot be read"),
        (["--only", "list.txt"], "--only list.txt, line 2: 'dog.png' is not in the manifest"),
        (["--split", "test"], "--split test: no picture is of it; there are none: give the manifest a column split"),
        (["--rules", "list.txt"], "--rules says what is in which split: name one with --split"),
        (["--rules", "list.txt", "--split", "test"], "list.txt: not a list of rules with split and source"),
        (["--boxes", "list.txt"], "list.txt, line 1: column file, score"),
        (["--images", "nowhere"], "--images nowhere: is no folder"),
        (["--model", "no.tflite"], "no.tflite: there is no such model"),
        (["--model", "no.toml"], "no.toml: is a model's description; name the model beside it: no.tflite"),
    ],
)
def test_wrong_use_is_named(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str, capsys: Output
) -> None:
    manifest(tmp_path / "manifest.csv")
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("horse.png\ndog.png\n")
    assert evaluate(tmp_path, *arguments) == 2
    assert says in capsys.readouterr().err


def test_a_manifest_is_read_as_it_is(tmp_path: Path) -> None:
    path = manifest(tmp_path / "manifest.csv", [(*ROWS[0], "later columns"), (*ROWS[1], "")], (*COLUMNS, "note"))
    cat, grey = load_manifest(path)
    assert (cat.box, cat.sequence, cat.feline, cat.camera_trap) == (
        pytest.approx(0.81),
        "picture: chelsea.png",
        True,
        False,
    )
    assert (grey.box, grey.sequence, grey.night, grey.source) == (None, "sequence: made, night 1", True, "made")
    with pytest.raises(SetupError, match="cannot be read"):
        load_manifest(tmp_path / "nowhere.csv")
