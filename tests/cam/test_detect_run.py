"""`trapcam detect` over many files: videos, going on after an interruption, tables, and drawn copies."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import skimage
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pictures
from video_parts import cut, write_video

from trapcam import mdjson
from trapcam.cli import main
from trapcam.detections import Detection
from trapcam.drawing import LONGEST_PX, draw
from trapcam.journal import open_journal
from trapcam.remaining import Remaining, in_words
from trapcam.spreadsheet import FORMULA, safe
from trapkit.errors import SetupError
from trapkit.files import write_atomically

PHOTOGRAPHS = Path(skimage.__file__).parent / "data"
Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    (made / "night").mkdir(parents=True)
    with Pictures.open(PHOTOGRAPHS / "chelsea.png") as cat:
        cat.convert("RGB").save(made / "cat.jpg", quality=92)
        cat.convert("L").save(made / "night" / "cat.png")
    (made / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    return made


def detect(out: Path, *arguments: object) -> int:
    return main(["detect", "--out", str(out), *map(str, arguments)])


def images(out: Path) -> dict[str, dict[str, object]]:
    return {Path(entry["file"]).name: entry for entry in json.loads(out.read_text("utf-8"))["images"]}


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


# --- going on


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, folder: Path, capsys: Output) -> None:
    """A real process, killed in the middle; then the same results as of a run that nobody disturbed."""
    for number in range(300):
        (folder / f"{number:03}.jpg").write_bytes((folder / "cat.jpg").read_bytes())
    out, part = tmp_path / "out.json", tmp_path / ".out.json.part"
    command = [sys.executable, "-m", "trapcam", "detect", str(folder), "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not part.exists() or part.read_bytes().count(b"\n") < 20:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not out.exists()
    with part.open("ab") as file:
        file.write(b'{"entry": {"file": "half a li')
    done = part.read_bytes().count(b"\n") - 1
    assert detect(out, folder) == 2, "its work is not thrown away by forgetting --resume"
    assert "go on with --resume, or delete it" in capsys.readouterr().err
    assert detect(out, folder, "--resume") == 1  # torn.jpg
    assert "303 of 303 files" in capsys.readouterr().err
    assert not part.exists()
    assert detect(tmp_path / "again.json", folder) == 1
    found, again = images(out), images(tmp_path / "again.json")
    assert list(found) == list(again)
    assert all(found[name]["detections"] == again[name]["detections"] for name in found)
    assert 19 <= done < 303


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_ends_and_keeps_its_work(tmp_path: Path, folder: Path, how: signal.Signals) -> None:
    for number in range(200):
        (folder / f"{number:03}.jpg").write_bytes((folder / "cat.jpg").read_bytes())
    part = tmp_path / ".out.json.part"
    command = [sys.executable, "-m", "trapcam", "detect", str(folder), "--out", str(tmp_path / "out.json")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + 60
    while not part.exists() or part.read_bytes().count(b"\n") < 5:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "interrupted; what is done lies in" in error
    assert "Traceback" not in error


def journalled(out: Path, depends: dict[str, object], *names: str) -> Path:
    journal = open_journal(out, depends, resume=False)
    for name in names:
        journal.add({"file": name, "detections": []}, (1, 2))
    journal.close()
    return journal.path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--threshold", "0.2"], "--threshold 0.01, and this is 0.2"),
        (["--every", "2"], "--every 1.0, and this is 2.0"),
    ],
)
def test_going_on_otherwise_is_refused_by_name(
    tmp_path: Path, folder: Path, arguments: list[str], says: str, capsys: Output
) -> None:
    from trapcam.config import TrapSettings, model_path
    from trapcam.description import check_model

    about = check_model(model_path(TrapSettings()))
    depends = {
        "model": f"{about.name} {about.version} {about.sha256}", "its thresholds": dict(about.thresholds),
        "--threshold": 0.01, "--every": 1.0,
    }  # fmt: skip
    part = journalled(tmp_path / "out.json", depends, "a.jpg")
    before = part.read_bytes()
    assert detect(tmp_path / "out.json", folder, "--resume", *arguments) == 2
    assert says in capsys.readouterr().err
    assert part.read_bytes() == before
    assert detect(tmp_path / "out.json", folder, "--resume") == 1


def test_going_on_with_another_model_is_refused(tmp_path: Path) -> None:
    journalled(tmp_path / "out.json", {"model": "one"}, "a.jpg")
    with pytest.raises(SetupError, match="begun with model 'one', and this is 'two'"):
        open_journal(tmp_path / "out.json", {"model": "two"}, resume=True)


def test_two_runs_do_not_write_one_output(tmp_path: Path) -> None:
    first = open_journal(tmp_path / "out.json", {}, resume=False)
    with pytest.raises(SetupError, match="another trapcam detect is writing"):
        open_journal(tmp_path / "out.json", {}, resume=True)
    first.close()


@given(cut_at=st.integers(0, 400), tail=st.binary(max_size=40))
def test_a_journal_cut_anywhere_gives_its_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, cut_at: int, tail: bytes
) -> None:
    out = tmp_path_factory.mktemp("journal") / "out.json"
    names = [f"{number}.jpg" for number in range(5)]
    part = journalled(out, {"model": "one"}, *names)
    data = part.read_bytes()
    part.write_bytes(data[:cut_at] + tail)
    journal = open_journal(out, {"model": "one"}, resume=True)
    whole = max(0, data[:cut_at].count(b"\n") - 1)
    kept = [name for name in names if (name, (1, 2)) in journal]
    assert kept[:whole] == names[:whole]
    journal.add({"file": "next.jpg", "detections": []}, (3, 4))
    assert journal.entry("next.jpg")["file"] == "next.jpg"
    assert all(journal.entry(name)["file"] == name for name in kept)
    journal.close()


def test_a_file_that_changed_is_looked_at_again(tmp_path: Path) -> None:
    journalled(tmp_path / "out.json", {}, "a.jpg")
    journal = open_journal(tmp_path / "out.json", {}, resume=True)
    assert ("a.jpg", (1, 2)) in journal
    assert ("a.jpg", (1, 3)) not in journal
    journal.add({"file": "a.jpg", "detections": None, "failure": "torn"}, (1, 3))
    assert journal.entry("a.jpg")["failure"] == "torn"
    journal.close()


def test_progress_has_a_rate_and_the_time_left() -> None:
    progress = Remaining(100, "files", 0.0)
    progress.skip(20)
    assert progress.step(0.5) == ""
    assert progress.step(2.0) == "22 of 100 files, 1 a second, 1 min left"
    assert [in_words(s) for s in (3.4, 59.4, 61, 3599, 7300)] == ["3 s", "59 s", "1 min", "1 h 00 min", "2 h 02 min"]


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


# --- drawn copies


def test_copies_lie_as_the_files_do_and_are_bounded(tmp_path: Path, folder: Path) -> None:
    with Pictures.open(folder / "cat.jpg") as cat:
        cat.resize((3000, 2000)).save(folder / "large.jpg")
    write_video(folder / "clip.avi", seconds=1)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    shown = tmp_path / "shown"
    assert detect(tmp_path / "out.json", folder, "--show", shown) == 1
    names = {str(path.relative_to(shown)) for path in shown.rglob("*") if path.is_file()}
    assert names == {"cat.jpg", "night/cat.png.jpg", "large.jpg", "clip.avi.jpg"}
    with Pictures.open(shown / "large.jpg") as copy:
        assert (copy.format, max(copy.size)) == ("JPEG", LONGEST_PX)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("where", ["pictures", "pictures/shown", "."])
def test_a_folder_for_copies_among_the_originals_is_refused(
    tmp_path: Path, folder: Path, where: str, capsys: Output
) -> None:
    assert detect(tmp_path / "out.json", folder, "--show", tmp_path / where) == 2
    assert "--show" in capsys.readouterr().err
    assert not (folder / "shown").exists()
    assert not (tmp_path / "out.json").exists()


def test_a_link_does_not_lead_copies_over_originals(tmp_path: Path, folder: Path) -> None:
    """The copy of `night/cat.png.jpg` would lie, through the link, exactly on another original."""
    originals = tmp_path / "originals"
    originals.mkdir()
    (originals / "cat.png.jpg").write_bytes(b"precious")
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "night").symlink_to(originals)
    assert detect(tmp_path / "out.json", folder, "--show", tmp_path / "shown") == 2
    assert (originals / "cat.png.jpg").read_bytes() == b"precious"


def test_going_on_draws_what_is_not_drawn_yet(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, shown = tmp_path / "out.json", tmp_path / "shown"
    detect(out, folder, "--show", shown)
    done = {path: path.stat().st_mtime_ns for path in shown.rglob("*.jpg")}
    assert len(done) == 2
    (shown / "cat.jpg").unlink()
    detect(out, folder, "--show", shown, "--resume")
    assert (shown / "cat.jpg").exists()


def test_boxes_are_where_the_detections_are() -> None:
    grey = np.full((600, 900, 3), 120, np.uint8)
    cat = Detection(category="feline", confidence=0.9, bbox=(0.25, 0.25, 0.5, 0.5))
    edge = Detection(category="person", confidence=0.9, bbox=(0.9, 0.9, 0.1, 0.1))
    faint = Detection(category="vehicle", confidence=0.1, bbox=(0.0, 0.0, 1.0, 1.0))
    picture = draw(grey, [cat, edge, faint], {"feline": 0.5, "person": 0.5, "vehicle": 0.5})
    pixels = np.asarray(picture).astype(int)
    orange = (abs(pixels - (255, 164, 0)).sum(axis=2) < 30).nonzero()
    assert 220 <= orange[1].min() <= 230
    assert 670 <= orange[1].max() <= 676
    assert orange[0].max() <= 451
    assert (pixels[0, 400:500] == 120).all(), "what is far from its threshold is not drawn"


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (3000, 2), (40, 40)])
def test_any_picture_can_be_drawn_on(shape: tuple[int, int]) -> None:
    whole = Detection(category="crane", confidence=1.0, bbox=(0.0, 0.0, 1.0, 1.0))
    point = Detection(category="feline", confidence=1.0, bbox=(1.0, 1.0, 0.0, 0.0))
    picture = draw(np.zeros((*shape, 3), np.uint8), [whole, point], {"crane": 0.5, "feline": 0.5}, "frame 3")
    assert max(picture.size) <= LONGEST_PX


def test_an_output_that_cannot_be_written_keeps_the_work(tmp_path: Path, folder: Path, capsys: Output) -> None:
    """The folder of the table goes away while pictures are looked at: with it back, nothing is looked at again."""
    out = tmp_path / "out.json"
    (tmp_path / "tables").mkdir()
    table = tmp_path / "tables" / "out.csv"
    table.parent.joinpath(f".{table.name}.{os.getpid()}.tmp").mkdir()  # where it is written first
    assert detect(out, folder, "--csv", table) == 1
    assert str(table) in capsys.readouterr().err
    assert mdjson.read(out).pictures
    assert (tmp_path / ".out.json.part").exists()
    table.parent.joinpath(f".{table.name}.{os.getpid()}.tmp").rmdir()
    write_atomically(folder / "new.jpg", (folder / "cat.jpg").read_bytes())
    assert detect(out, folder, "--csv", table, "--resume") == 1
    assert "4 of 4 files" in capsys.readouterr().err
    assert not (tmp_path / ".out.json.part").exists()
