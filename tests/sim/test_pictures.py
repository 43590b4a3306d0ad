"""What `trapsim demo --images` takes: it asks the replay camera, so that both agree."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from trapsim.cli import main
from trapsim.pictures import check_pictures, count_bursts

Output = pytest.CaptureFixture[str]


def write_video(path: Path, seconds: int) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for _ in range(seconds * 5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        out.mux(stream.encode())


def test_a_video_counts_as_often_as_it_gives_a_burst(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    write_video(tmp_path / "b.avi", 14)
    (tmp_path / "c.mp4").write_bytes(b"")  # one outcome, that it cannot be read
    (tmp_path / "notes.txt").write_text("left out")
    assert check_pictures(tmp_path) == tmp_path
    assert count_bursts(tmp_path) == 1 + 3 + 1


@pytest.mark.parametrize(
    ("others", "has"),
    [((), "0 pictures"), (("cat.webp",), "0 pictures, 1 other file left out"), ((".cat.jpg",), "0 pictures")],
)
def test_an_empty_folder_is_refused_before_anything_is_cleared(
    tmp_path: Path, capsys: Output, others: tuple[str, ...], has: str
) -> None:
    images, state = tmp_path / "images", tmp_path / "state"
    images.mkdir()
    for name in others:
        (images / name).write_bytes(b"x")
    state.mkdir()
    (state / "of-mine.txt").write_text("keep")
    assert main(["demo", "--images", str(images), "--state", str(state)]) == 2
    assert capsys.readouterr().err == (
        f"trapsim: --images {images}: has {has}; allowed are names ending in .jpg, .jpeg, .png, .avi, .mp4, .mov: "
        "put some there, or name another folder\n"
    )
    assert (state / "of-mine.txt").read_text() == "keep"


@pytest.mark.parametrize(("name", "why"), [("nowhere", "No such file or directory"), ("file", "Not a directory")])
def test_a_folder_that_is_none_is_named(tmp_path: Path, capsys: Output, name: str, why: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert main(["demo", "--images", str(tmp_path / name), "--state", str(tmp_path / "state")]) == 2
    assert f"--images {tmp_path / name}: cannot be read: {why}; name a folder of pictures" in capsys.readouterr().err
