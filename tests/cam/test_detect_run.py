"""`trapcam detect`: videos, which files it takes, and its table."""

import csv
import json
from pathlib import Path

import pytest
from detect_parts import detect, images, write_folder
from hypothesis import given
from hypothesis import strategies as st
from video_parts import cut, write_video

from trapcam.cli import main
from trapcam.examine.spreadsheet import FORMULA, safe

Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "pictures")


# --- videos


def test_a_video_is_written_as_the_format_asks(tmp_path: Path, folder: Path) -> None:
    """MegaDetector 1.6: frame_rate, frames_processed, and frame_number in each detection."""
    write_video(folder / "clip.avi", seconds=3.2, rate=10)
    write_video(folder / "slow.mp4", seconds=4, rate=1)
    (folder / "empty.mov").write_bytes(b"")
    assert detect(tmp_path / "out.json", folder, "--every", "0.5") == 1
    found = images(tmp_path / "out.json")
    clip, slow, empty = found["clip.avi"], found["slow.mp4"], found["empty.mov"]
    assert (clip["frame_rate"], clip["frames_processed"]) == (10.0, [0, 5, 10, 15, 20, 25, 30])
    assert (slow["frame_rate"], slow["frames_processed"]) == (1.0, [0, 1, 2, 3])
    assert all(one["frame_number"] in clip["frames_processed"] for one in clip["detections"])  # type: ignore[attr-defined]
    assert (empty["frame_rate"], empty["frames_processed"], empty["detections"]) == (-1.0, [], None)
    assert "empty" in str(empty["failure"])
    assert "frame_rate" not in found["cat.jpg"]


def test_the_file_is_what_the_formats_own_validator_asks_for(tmp_path: Path, folder: Path) -> None:
    """The rules of MegaDetector's validate_batch_results.py for 1.6, which found no fault with such files."""
    write_video(folder / "clip.avi", seconds=2)
    (folder / "empty.mp4").write_bytes(b"")
    detect(tmp_path / "out.json", folder)
    content = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert content["info"]["format_version"] == "1.6"
    categories = content["detection_categories"]
    assert all(int(key) > 0 and name.strip() for key, name in categories.items())
    for entry in content["images"]:
        failed = entry.get("failure") is not None
        assert isinstance(entry["detections"], list) != failed
        video = Path(entry["file"]).suffix in (".avi", ".mp4")
        assert ("frame_rate" in entry, "frames_processed" in entry) == (video, video)
        assert not video or entry["frame_rate"] > 0 or failed
        for found in entry["detections"] or ():
            assert isinstance(found["conf"], float)
            assert found["category"] in categories
            assert len(found["bbox"]) == 4
            assert ("frame_number" in found) == video


def test_a_video_that_was_cut_off_counts_as_far_as_it_goes(tmp_path: Path, folder: Path, capsys: Output) -> None:
    cut(write_video(folder / "clip.avi", seconds=10), 0.5)
    (folder / "torn.jpg").unlink()
    assert detect(tmp_path / "out.json", folder) == 0
    assert 2 <= len(images(tmp_path / "out.json")["clip.avi"]["frames_processed"]) < 10  # type: ignore[arg-type]
    assert "clip.avi: ends at" in capsys.readouterr().err


# --- which files


def test_patterns_take_pictures_and_search_folders(tmp_path: Path, folder: Path) -> None:
    (folder / "notes.txt").write_text("of the walk")
    (folder / "._cat.jpg").write_bytes(b"what a Mac leaves beside pictures")
    detect(tmp_path / "out.json", f"{folder}/**")
    assert sorted(images(tmp_path / "out.json")) == ["cat.jpg", "cat.png", "torn.jpg"]
    detect(tmp_path / "out.json", f"{folder}/*.jpg")
    assert sorted(images(tmp_path / "out.json")) == ["cat.jpg", "torn.jpg"]


def test_a_link_to_nothing_that_is_named_is_a_failure(tmp_path: Path, folder: Path) -> None:
    (folder / "gone.jpg").symlink_to(folder / "nowhere")
    assert detect(tmp_path / "out.json", folder / "gone.jpg") == 1
    assert "No such file" in str(images(tmp_path / "out.json")["gone.jpg"]["failure"])


@pytest.mark.parametrize("option", ["--out", "--csv"])
def test_an_original_is_never_written_over(tmp_path: Path, folder: Path, option: str, capsys: Output) -> None:
    before = (folder / "cat.jpg").read_bytes()
    arguments = [str(folder / "cat.jpg"), option, str(folder / "cat.jpg")]
    assert main(["detect", *arguments, *([] if option == "--out" else ["--out", str(tmp_path / "out.json")])]) == 2
    assert f"{option} {folder}/cat.jpg: is one of the files to look at" in capsys.readouterr().err
    assert (folder / "cat.jpg").read_bytes() == before


@pytest.mark.parametrize(("option", "value"), [("--threshold", "1.5"), ("--threshold", "nan"), ("--every", "0")])
def test_numbers_out_of_bounds_are_wrong_use(
    tmp_path: Path, folder: Path, option: str, value: str, capsys: Output
) -> None:
    with pytest.raises(SystemExit) as ended:
        detect(tmp_path / "out.json", folder, option, value)
    assert ended.value.code == 2
    assert f"{value} is out of bounds; allowed is 0." in capsys.readouterr().err


# --- tables


def test_the_table_has_a_row_a_detection_and_one_for_files_without(tmp_path: Path, folder: Path) -> None:
    write_video(folder / "clip.avi", seconds=1)
    out, table = tmp_path / "out.json", tmp_path / "out.csv"
    assert detect(out, folder, "--csv", table, "--threshold", "0.5") == 1
    assert table.read_bytes().startswith(b"\xef\xbb\xbf")
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {Path(row["file"]).name for row in rows} == {"cat.jpg", "cat.png", "torn.jpg", "clip.avi"}
    detections = [one for entry in images(out).values() for one in entry["detections"] or ()]  # type: ignore[attr-defined]
    assert sum(bool(row["category"]) for row in rows) == len(detections)
    cat = next(row for row in rows if row["file"].endswith("cat.jpg"))
    assert (cat["category"], float(cat["confidence"]) >= 0.5, cat["frame_number"]) == ("feline", True, "")
    torn = next(row for row in rows if row["file"].endswith("torn.jpg"))
    assert torn["category"] == ""
    assert torn["failure"].startswith("image access: ")


@pytest.mark.parametrize(
    "name", ["=HYPERLINK(1).jpg", "+1.jpg", "-1.jpg", "@SUM(1).jpg", "\t=1.jpg", " =1.jpg", "＝1.jpg"]
)
def test_a_name_is_never_a_formula(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (folder / "cat.jpg").rename(folder / name)
    monkeypatch.chdir(folder)
    detect(tmp_path / "out.json", "--csv", tmp_path / "out.csv", "--", name)
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {row["file"] for row in csv.DictReader(file)} == {f"'{name}"}
    assert images(tmp_path / "out.json")[name]["file"] == name


@given(st.text())
def test_no_cell_begins_as_a_formula(text: str) -> None:
    assert not safe(text).lstrip(" ").startswith(FORMULA)
    assert safe(text).endswith(text)
