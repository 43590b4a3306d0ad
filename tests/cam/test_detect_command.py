"""`trapcam detect`: what it finds, what it writes, and how it fails."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image as Pictures

from trapcam.cli import main
from trapcam.examine import mdjson

PHOTOGRAPHS = Path(skimage.__file__).parent / "data"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "night").mkdir(parents=True)
    with Pictures.open(PHOTOGRAPHS / "chelsea.png") as cat:
        cat.convert("RGB").save(folder / "cat.jpg", quality=92)
        cat.convert("L").save(folder / "night" / "grey.PNG")
        cat.convert("CMYK").save(folder / "cmyk.jpg")
    deep = np.full((40, 60), 40_000, np.uint16)
    Pictures.fromarray(deep).save(folder / "deep.png")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def detect(tmp_path: Path, *arguments: object) -> tuple[int, dict[str, object]]:
    out = tmp_path / "results.json"
    code = main(["detect", *map(str, arguments), "--out", str(out)])
    return code, json.loads(out.read_text("utf-8"))


def test_a_folder_is_searched_and_the_file_is_megadetector_1_6(tmp_path: Path, pictures: Path) -> None:
    code, content = detect(tmp_path, pictures)
    assert code == 0
    assert [Path(entry["file"]).name for entry in content["images"]] == ["cat.jpg", "cmyk.jpg", "deep.png", "grey.PNG"]
    info = content["info"]
    assert info["format_version"] == "1.6"
    assert info["detector"].startswith("pugmark-feline ")
    threshold = info["detector_metadata"]["typical_detection_threshold"]
    assert "feline" in content["detection_categories"].values()
    best = content["images"][0]["detections"][0]
    assert content["detection_categories"][best["category"]] == "feline"
    assert best["conf"] >= threshold
    assert all(found["conf"] >= 0.01 for entry in content["images"] for found in entry["detections"])


def test_patterns_files_and_repeats(tmp_path: Path, pictures: Path) -> None:
    code, content = detect(tmp_path, pictures / "**" / "*.PNG", pictures / "cat.jpg", pictures / "cat.jpg")
    assert code == 0
    assert [Path(entry["file"]).name for entry in content["images"]] == ["grey.PNG", "cat.jpg"]


def test_unreadable_pictures_are_listed_with_their_reason(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (pictures / "cat.jpg").read_bytes()
    (pictures / "a-empty.jpg").write_bytes(b"")
    (pictures / "b-garbage.png").write_bytes(bytes(range(256)) * 40)
    (pictures / "c-truncated.jpg").write_bytes(whole[: len(whole) // 3])
    with Pictures.new("1", (12_000, 12_000)) as huge:
        huge.save(pictures / "d-huge.png")
    (pictures / "e-missing.jpg").symlink_to(pictures / "nowhere")
    code, content = detect(tmp_path, pictures, pictures / "notes.txt", "--json")
    assert code == 1
    failed = {Path(e["file"]).name: e for e in content["images"] if "failure" in e}
    assert set(failed) == {"a-empty.jpg", "b-garbage.png", "c-truncated.jpg", "d-huge.png", "notes.txt"}
    assert all(entry["detections"] is None for entry in failed.values())
    assert "megapixels" in failed["d-huge.png"]["failure"]
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert (summary["files"], summary["failed"]) == (9, 5)
    assert summary["showing"]["feline"] >= 1
    assert "9 of 9 files" in printed.err
    assert "Traceback" not in printed.err


def test_exif_orientation_is_respected(tmp_path: Path, pictures: Path) -> None:
    with Pictures.open(pictures / "cat.jpg") as upright:
        turned = upright.transpose(Pictures.Transpose.ROTATE_90)
        exif = Pictures.Exif()
        exif[0x0112] = 6  # to be shown turned a quarter to the right
        turned.save(tmp_path / "turned.jpg", quality=95, exif=exif)
    _, content = detect(tmp_path, pictures / "cat.jpg", tmp_path / "turned.jpg")
    upright_box, turned_box = (entry["detections"][0]["bbox"] for entry in content["images"])
    assert turned_box == pytest.approx(upright_box, abs=0.1)


@pytest.mark.parametrize("arguments", [["nowhere.jpg"], ["no*thing.jpg"], ["pictures", "--model", "no.tflite"]])
def test_wrong_use_is_2_and_writes_nothing(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["detect", *arguments, "--out", "out.json"]) == 2
    assert not Path("out.json").exists()


def test_an_output_folder_that_is_not_there_is_2(tmp_path: Path, pictures: Path) -> None:
    assert main(["detect", str(pictures), "--out", str(tmp_path / "no" / "out.json")]) == 2


def test_a_folder_without_pictures_is_1(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["detect", str(tmp_path / "empty"), "--out", str(tmp_path / "out.json")]) == 1


def test_what_is_written_reads_back(tmp_path: Path, pictures: Path) -> None:
    detect(tmp_path, pictures)
    results = mdjson.read(tmp_path / "results.json")
    mdjson.write(tmp_path / "again.json", results)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "results.json").read_bytes()
