"""`trapcam evaluate` on real photographs: the figures, the pages, and which pictures it takes."""

import csv
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from evaluate_parts import ROWS, evaluate, figures, manifest, value, write_images
from PIL import Image as Pictures

from trapcam.config import TrapSettings, model_path
from trapcam.detect import Detector
from trapcam.evaluate import charts
from trapcam.evaluate.by_group import Scored, feline_rows
from trapcam.evaluate.manifest import COLUMNS, Labelled, load_manifest
from trapcam.evaluate.plots import Axis, Line, chart, percent
from trapcam.evaluate.statistics import Draws

Output = pytest.CaptureFixture[str]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images")


def test_the_figures_are_those_of_the_detector_that_the_trap_uses(tmp_path: Path, images: Path) -> None:
    manifest(tmp_path / "manifest.csv")
    assert evaluate(tmp_path) == 0
    detector = Detector(model_path(TrapSettings()))
    threshold = detector.description.thresholds["feline"]
    best = {}
    for name, *_ in ROWS:
        with Pictures.open(images / name) as picture:
            found = detector.detect(np.asarray(picture.convert("RGB")))
        best[name] = max((one.confidence for one in found if one.category == "feline"), default=0.0)
    felines = [best[row[0]] for row in ROWS if row[2] in ("felid", "domestic_cat")]
    others = [best[row[0]] for row in ROWS if row[2] not in ("felid", "domestic_cat")]
    rows = figures(tmp_path)
    everything = rows["all", "all pictures"]
    assert (everything["felines"], everything["others"]) == (3, 6)
    assert value(everything, "recall_at_threshold") == round(sum(s >= threshold for s in felines) / 3, 4)
    assert value(everything, "false_keeps_at_threshold") == round(sum(s >= threshold for s in others) / 6, 4)
    wins = sum((f > o) + 0.5 * (f == o) for f in felines for o in others)
    assert value(everything, "roc_area") == round(wins / 18, 4)
    assert everything["recall_at_2pct_false_keeps"] is None, "six others cannot tell"
    with (tmp_path / "out" / "scores.csv").open(encoding="utf-8-sig", newline="") as file:
        written = {row["file"]: row for row in csv.DictReader(file)}
    assert {name: float(row["feline"]) for name, row in written.items()} == pytest.approx(best, abs=1e-4)
    assert written["astronaut.png"]["outcome"] == "withheld"


def test_every_group_has_its_row(tmp_path: Path, images: Path) -> None:
    manifest(tmp_path / "manifest.csv")
    evaluate(tmp_path)
    rows = figures(tmp_path)
    counts = {key: (row["felines"], row["others"]) for key, row in rows.items()}
    assert counts["place", "camera trap"] == (2, 3)
    assert counts["place", "camera trap, night"] == (2, 0)
    assert counts["place", "not a camera trap"] == (1, 3)
    assert counts["cats", "tiger, leopard, snow leopard"] == (1, 6)
    assert counts["species", "cat"] == (2, 6), "a cat is told from all others"
    assert counts["box", "under 5 %"] == (1, 6)
    assert counts["box", "over 20 %"] == (1, 6)
    assert counts["box", "no box"] == (1, 6)
    assert counts["source", "skimage"] == (1, 6)
    assert counts["other animals", "horse"] == (0, 1)
    assert counts["people", "person, all"] == (0, 1)
    assert value(rows["people", "person, all"], "withheld") == 1.0
    assert rows["place", "camera trap"]["feline_sequences"] == 1
    tables = (tmp_path / "out" / "tables.md").read_text("utf-8")
    assert "| tiger, leopard, snow leopard | 1 | 6 | 1 + 4 |" in tables
    assert "Clopper–Pearson" in tables


def test_the_charts_are_pictures_for_a_phone(tmp_path: Path, images: Path) -> None:
    manifest(tmp_path / "manifest.csv")
    evaluate(tmp_path)
    for name in ("roc.png", "precision_recall.png"):
        path = tmp_path / "out" / name
        assert path.stat().st_size < 100_000
        with Pictures.open(path) as drawn:
            assert (drawn.format, drawn.size) == ("PNG", (1080, 1080))
            pixels = np.asarray(drawn.convert("RGB")).astype(int)
        black, blue = (abs(pixels - colour).sum(axis=2) < 40 for colour in ((0, 0, 0), (0, 114, 178)))
        assert (black.sum() > 200, blue.sum() > 200) == (True, True), "both are in the legend, whatever hides which"


def test_a_line_lies_where_its_numbers_are() -> None:
    """From the middle of the chart to its right edge, a quarter up; the scale across is by decades."""
    across = Axis(name="across (%)", low=0.01, high=1.0, ticks=percent(0.01, 0.1, 1), log=True)
    up = Axis(name="up (%)", low=0.0, high=1.0, ticks=percent(0, 1))
    line = Line(name="quarter", points=[(0.1, 0.25), (1.0, 0.25)], threshold=(0.1, 0.75))
    with Pictures.open(io.BytesIO(chart("title", across, up, [line], legend_top=True))) as picture:
        pixels = np.asarray(picture.convert("L"))
    middle, row = (150 + 1040) // 2, 930 - (930 - 110) // 4
    assert (pixels[row - 1 : row + 2, middle + 20 : 1030] < 60).all()
    assert (pixels[row - 1 : row + 2, 160 : middle - 10] > 200).all()
    ring = 930 - (930 - 110) * 3 // 4
    assert pixels[ring, middle] > 200
    assert pixels[ring, middle - 16 : middle - 8].min() < 60


@pytest.mark.parametrize(("good", "roc", "precision"), [(True, 0.5, (0.5, 0.5)), (False, 0.0, (0.0, 0.0))])
def test_an_axis_begins_at_half_where_nothing_is_below(
    monkeypatch: pytest.MonkeyPatch, good: bool, roc: float, precision: tuple[float, float]
) -> None:
    pictures = [
        Labelled(file=str(n), label="cat", group="felid" if n % 2 else "empty", camera_trap=False, night=False,
                 sequence=str(n), source="made", box=None)
        for n in range(120)
    ]  # fmt: skip
    scored = [
        Scored(picture=p, scores={"feline": 0.9 if p.feline == good else 0.1}, kept=False, withheld=False)
        for p in pictures
    ]
    rows = feline_rows(scored, 0.5, Draws([p.sequence for p in pictures], count=100, seed=1))
    drawn: list[tuple[float, float]] = []

    def chart_of(title: str, x: Axis, y: Axis, lines: object, **how: object) -> bytes:
        drawn.append((x.low, y.low))
        return b""

    monkeypatch.setattr(charts, "chart", chart_of)
    charts.roc_png(scored, rows, 0.5)
    charts.precision_png(scored, rows, 0.5)
    assert drawn == [(charts.LEAST, roc), precision]


def test_the_same_run_gives_the_same_bytes(tmp_path: Path, images: Path, capsys: Output) -> None:
    manifest(tmp_path / "manifest.csv")
    assert evaluate(tmp_path, "--json") == 0
    first = capsys.readouterr().out
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert json.loads(first)["pictures"] == 9
    assert evaluate(tmp_path, "--json") == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert capsys.readouterr().out == first


def test_bursts_are_judged_together_and_only_within_a_camera_trap_s_sequence(
    tmp_path: Path, images: Path, capsys: Output
) -> None:
    manifest(tmp_path / "manifest.csv")
    assert evaluate(tmp_path, "--burst", 2) == 0
    capsys.readouterr()
    content = json.loads((tmp_path / "out" / "figures.json").read_text("utf-8"))
    # Nine pictures: two of one night, three of one day (two and one), four that no trap took.
    assert (content["pictures"], content["bursts"], content["bursts_of"]) == (9, 7, 2)
    row = figures(tmp_path)["place", "camera trap"]
    assert (row["felines"], row["others"]) == (1, 2)
    with (tmp_path / "out" / "scores.csv").open(newline="", encoding="utf-8-sig") as file:
        together = {line["file"]: float(line["feline"]) for line in csv.DictReader(file)}
    assert evaluate(tmp_path) == 0
    with (tmp_path / "out" / "scores.csv").open(newline="", encoding="utf-8-sig") as file:
        alone = {line["file"]: float(line["feline"]) for line in csv.DictReader(file)}
    # Those two are of different size, so nothing is known to have moved: the burst is as sure as its surer picture.
    assert together["grey.png"] == max(alone["grey.png"], alone["small.png"])
    assert "small.png" not in together


def test_progress_and_a_summary(tmp_path: Path, images: Path, capsys: Output) -> None:
    manifest(tmp_path / "manifest.csv")
    evaluate(tmp_path)
    printed = capsys.readouterr()
    assert "9 of 9 pictures, " in printed.err
    assert "all pictures: 3 felines, 6 others; found " in printed.out


def test_a_threshold_of_ones_own(tmp_path: Path, images: Path) -> None:
    manifest(tmp_path / "manifest.csv")
    evaluate(tmp_path, "--threshold", "0.01")
    low = figures(tmp_path)["all", "all pictures"]
    evaluate(tmp_path, "--threshold", "1")
    high = figures(tmp_path)["all", "all pictures"]
    assert (value(low, "recall_at_threshold"), value(high, "recall_at_threshold")) == (1.0, 0.0)
    assert value(high, "felines_kept") == 0.0


def test_only_some_of_the_pictures(tmp_path: Path, images: Path) -> None:
    manifest(tmp_path / "manifest.csv")
    (tmp_path / "list.txt").write_text("# held out\nhorse.png\n\nchelsea.png\n")
    assert evaluate(tmp_path, "--only", tmp_path / "list.txt") == 0
    everything = figures(tmp_path)["all", "all pictures"]
    assert (everything["felines"], everything["others"]) == (1, 1)


def test_a_split_of_the_manifest_or_of_rules(tmp_path: Path, images: Path) -> None:
    rows = [(*row, "test" if row[0] in ("chelsea.png", "horse.png") else "train") for row in ROWS]
    manifest(tmp_path / "manifest.csv", rows, (*COLUMNS, "split"))
    assert evaluate(tmp_path, "--split", "test") == 0
    assert figures(tmp_path)["all", "all pictures"]["felines"] == 1
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nsplit = "test"\nsource = "made"\nlabels = ["cat"]\nsequences = ["night 1"]\n')
    assert evaluate(tmp_path, "--split", "test", "--rules", rules) == 0
    everything = figures(tmp_path)["all", "all pictures"]
    assert (everything["felines"], everything["others"]) == (1, 0)
    assert not (tmp_path / "out" / "nothing").exists()
    assert [p.split for p in load_manifest(tmp_path / "manifest.csv", rules)].count("train") == 8


def test_proposed_boxes_stand_in_where_a_source_has_none(tmp_path: Path, images: Path, capsys: Output) -> None:
    manifest(tmp_path / "manifest.csv")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("file,score,x,y,w,h\ngrey.png,0.4,0,0,1,1\ngrey.png,0.9,0,0,0.4,0.4\nchelsea.png,1,0,0,0.1,0.1\n")
    assert evaluate(tmp_path, "--boxes", boxes) == 0
    rows = figures(tmp_path)
    assert [rows["box", size]["felines"] for size in ("under 5 %", "5 to 20 %", "over 20 %")] == [1, 1, 1]
    boxes.write_text("file,score,x,y,w,h\ngrey.png,0.4,0,0,9,1\n")
    assert evaluate(tmp_path, "--boxes", boxes) == 2
    assert "boxes.csv, line 2: box (0.0, 0.0, 9.0, 1.0)" in capsys.readouterr().err


def test_a_run_that_is_stopped_writes_nothing(tmp_path: Path, images: Path) -> None:
    """A real process, stopped at its first line of progress."""
    rows = [(f"{n}.png", *ROWS[0][1:]) for n in range(500)]
    for name, *_ in rows:
        (images / name).symlink_to(images / "chelsea.png")
    manifest(tmp_path / "manifest.csv", rows)
    places = ["--images", images, "--manifest", tmp_path / "manifest.csv", "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "trapcam", "evaluate", *map(str, places)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    said = next(line for line in process.stderr if "of 500 pictures" in line)
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 1
    assert "left" in said
    assert "interrupted; nothing was written" in rest
    assert "Traceback" not in rest
    assert list((tmp_path / "out").iterdir()) == []


def test_pictures_that_cannot_be_read_are_named_and_count_nowhere(tmp_path: Path, images: Path, capsys: Output) -> None:
    manifest(tmp_path / "manifest.csv")
    (images / "horse.png").write_bytes(b"")
    (images / "coffee.png").unlink()
    assert evaluate(tmp_path) == 1
    content = json.loads((tmp_path / "out" / "figures.json").read_text("utf-8"))
    assert set(content["unreadable"]) == {"horse.png", "coffee.png"}
    assert content["pictures"] == 7
    assert "coffee.png: cannot be read: No such file" in capsys.readouterr().err
    assert "2 pictures could not be read" in (tmp_path / "out" / "tables.md").read_text("utf-8")
