"""The base's benchmarks on tiny sizes: they run, and the page says what they promise."""

import json
from pathlib import Path
from typing import Any

import pytest

from trapsim.basebench.durable import bench_durable
from trapsim.basebench.feed import CROP_BYTES, FRAME_BYTES, Bodies, Season, season
from trapsim.basebench.goodput import bench_goodput
from trapsim.basebench.growth import bench_growth
from trapsim.basebench.page import TARGETS, page, rows
from trapsim.cli import main
from trapwire.objects import ALERT, CROP, FRAME, NOTE, SCENE

FIGURES = json.loads((Path(__file__).parents[2] / "hardware" / "bench-base.json").read_text())


def silent(text: str) -> None:
    assert text


def test_a_season_has_what_its_counts_say() -> None:
    plan = Season(traps=3, days=7)
    found = [e.key.rung for e in season(plan)]
    counts = plan.counts()
    assert [found.count(rung) for rung in (ALERT, CROP, FRAME, NOTE, SCENE)] == [
        counts["sightings"], counts["sightings"], counts["frames"], counts["notes"], counts["scenes"],
    ]  # fmt: skip
    assert len(found) == counts["objects"]
    assert len({e.key for e in season(plan)}) == len(found)


def test_pictures_are_about_as_large_as_those_of_traps() -> None:
    bodies = Bodies()
    for size in (CROP_BYTES, FRAME_BYTES):
        assert 0.9 < len(bodies.sealed(size)) / size < 1.2
    assert bodies.sealed(CROP_BYTES) != bodies.sealed(CROP_BYTES)


def test_durable_ingest_beside_bare_sqlite(tmp_path: Path) -> None:
    found = bench_durable(tmp_path / "x", 3)
    assert found["ours_events_per_s"] > 0
    assert 0 < found["ratio_bare"] < 10
    assert found["bare_cpu_us"] < found["ours_cpu_us"], "bare SQLite looks at nothing"


def test_an_upload_beside_a_bare_client(tmp_path: Path) -> None:
    found = bench_goodput(tmp_path / "x", 1, 1, silent)
    assert 0.2 < found["ratio"] < 5
    assert found["package_mb"] == 1


def test_a_base_that_is_full_already_acknowledges_and_goes_on(tmp_path: Path) -> None:
    found = bench_growth(tmp_path / "x", (100,), 20, silent)
    (row,) = found["rows"]
    assert row["events"] == 100
    assert row["ingest_us"] > 0
    assert row["first_ack_cpu_s"] < 10
    assert 10 < row["resident_mb"] < 150


def test_the_page_names_every_target_and_says_which_is_missed() -> None:
    text = page(FIGURES)
    assert all(f"| {target} |" in text for target in TARGETS.values())
    assert (Path(__file__).parents[2] / "hardware" / "BENCH-BASE.md").read_text() == text
    worse: dict[str, Any] = FIGURES | {"upload": FIGURES["upload"] | {"ratio": 0.5}}
    assert [row[3] for row in rows(worse)][-1] is False
    assert "**no**" in page(worse)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--quick"], "--quick: goes with --base"),
        (["--base", "--quick", "--write"], "--write: figures of --quick say nothing"),
        (["--base", "--detector"], "--base: measures only the base"),
    ],
)
def test_words_that_do_not_go_together(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *words]) == 2
    assert said in capsys.readouterr().err
