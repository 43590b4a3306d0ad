"""`trapcam detect --resume`: nothing that was done is done again, and nothing else is gone on with."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from detect_parts import detect, images, write_folder
from hypothesis import given
from hypothesis import strategies as st

from trapcam.examine import mdjson
from trapcam.examine.journal import open_journal
from trapcam.examine.remaining import Remaining, in_words
from trapkit.errors import SetupError
from trapkit.files import write_atomically

Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "pictures")


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, folder: Path, capsys: Output) -> None:
    """A real process, killed in the middle; then the same results as of a run that nobody disturbed."""
    for number in range(100):
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
    assert "103 of 103 files" in capsys.readouterr().err
    assert not part.exists()
    assert detect(tmp_path / "again.json", folder) == 1
    found, again = images(out), images(tmp_path / "again.json")
    assert list(found) == list(again)
    assert all(found[name]["detections"] == again[name]["detections"] for name in found)
    assert 19 <= done < 103


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
