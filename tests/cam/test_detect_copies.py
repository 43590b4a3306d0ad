"""`trapcam detect --show`: boxes on copies, and never over an original."""

from pathlib import Path

import numpy as np
import pytest
from detect_parts import detect, write_folder
from PIL import Image as Pictures
from video_parts import write_video

from trapcam.detections import Detection
from trapcam.examine.drawing import LONGEST_PX, draw

Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "pictures")


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
