"""MegaDetector files and boxes: round trips, hostile files, decoding by hand."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trapcam.decode import decode_grid
from trapcam.detections import Detection, overlap
from trapcam.examine import mdjson
from trapkit.errors import SetupError

CATEGORIES = ("feline", "other_animal", "person", "vehicle")
SHARE = st.integers(0, 10_000).map(lambda n: n / 10_000)  # the file has four decimals
CATS = ("tiger", "snow leopard", "puma")
# As the file orders them: the likeliest first, and none of no share at all.
LIKELY = st.lists(st.sampled_from(CATS), unique=True, max_size=3).flatmap(
    lambda names: st.lists(
        st.integers(1, 10_000).map(lambda n: n / 10_000), min_size=len(names), max_size=len(names)
    ).map(lambda shares: tuple(zip(names, sorted(shares, reverse=True), strict=True)))
)
DETECTION = st.builds(
    Detection, category=st.sampled_from(CATEGORIES), confidence=SHARE, bbox=st.tuples(SHARE, SHARE, SHARE, SHARE),
    likely=LIKELY,
)  # fmt: skip
SEEN = st.builds(mdjson.PictureResult, file=st.text(), detections=st.lists(DETECTION, max_size=5).map(tuple))
FAILED = st.builds(mdjson.PictureResult, file=st.text(), failure=st.text(min_size=1))
FRAMES = st.lists(st.tuples(st.integers(0, 10**6), st.lists(DETECTION, max_size=3)), max_size=4)
RATE = st.floats(0.1, 240)


def video(file: str, rate: float, frames: list[tuple[int, list[Detection]]]) -> mdjson.PictureResult:
    return mdjson.PictureResult(
        file=file,
        detections=tuple(one for _, found in frames for one in found),
        video=mdjson.Video(
            frame_rate=rate,
            frames_processed=tuple(number for number, _ in frames),
            frame_numbers=tuple(number for number, found in frames for _ in found),
        ),
    )


VIDEO = st.builds(video, st.text(), RATE, FRAMES)
BROKEN = st.builds(
    mdjson.PictureResult, file=st.text(), failure=st.text(min_size=1), video=st.just(mdjson.Video(frame_rate=-1))
)
RESULTS = st.builds(
    mdjson.Results,
    detector=st.text(),
    thresholds=st.fixed_dictionaries(dict.fromkeys(CATEGORIES, SHARE)),
    species=st.just(CATS),
    completed=st.just(datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)),
    pictures=st.lists(SEEN | FAILED | VIDEO | BROKEN, max_size=5).map(tuple),
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(results=RESULTS)
def test_round_trip(tmp_path: Path, results: mdjson.Results) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(mdjson.to_json(results)))
    assert mdjson.read(path) == results
    mdjson.write(path, results)
    assert mdjson.read(path) == results
    assert json.loads(path.read_text("utf-8")) == mdjson.to_json(results)


@quick
@given(content=st.recursive(st.none() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_other_json_is_refused_by_name(tmp_path: Path, content: object) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    with pytest.raises(SetupError, match=r"results\.json"):
        mdjson.read(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"[]"])
def test_garbage_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(content)
    with pytest.raises(SetupError, match=r"results\.json"):
        mdjson.read(path)


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_category_without_a_name_is_refused(tmp_path: Path, name: object) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"detection_categories": {"1": name}}))
    with pytest.raises(SetupError, match=f"category {name!r} is no name"):
        mdjson.read(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"frame_rate": 20, "detections": []},
        {"frame_rate": 20, "frames_processed": [0, -1], "detections": []},
        {"frame_rate": 20, "frames_processed": [True], "detections": []},
        {
            "frame_rate": 20,
            "frames_processed": [0],
            "detections": [{"category": "1", "conf": 0.5, "bbox": [0, 0, 1, 1]}],
        },
    ],
)
def test_a_video_lacking_what_the_format_asks_for_is_refused(entry: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError)):
        mdjson.read_entry({"file": "a.mp4", **entry}, {"1": "feline"})


def test_a_model_with_other_classes_names_its_own(tmp_path: Path) -> None:
    crane = Detection(category="crane", confidence=0.75, bbox=(0.1, 0.2, 0.3, 0.4))
    results = mdjson.Results(
        detector="pugmark-crane 1", thresholds={"person": 0.25, "crane": 0.5},
        completed=datetime(2026, 11, 21, tzinfo=UTC),
        pictures=(mdjson.PictureResult(file="a.jpg", detections=(crane,)),),
    )  # fmt: skip
    mdjson.write(tmp_path / "results.json", results)
    assert mdjson.read(tmp_path / "results.json") == results
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["detection_categories"] == {"1": "person", "2": "crane"}
    assert content["images"][0]["detections"][0]["category"] == "2"


def raw(rows: int, columns: int) -> dict[str, np.ndarray]:
    return {
        "objectness": np.full((rows, columns, 1), -20, np.float32),
        "box": np.zeros((rows, columns, 4), np.float32),
        "classes": np.zeros((rows, columns, 4), np.float32),
    }


def test_a_cell_decodes_as_the_description_says() -> None:
    numbers = raw(4, 8)
    numbers["objectness"][2, 6] = 4
    numbers["classes"][2, 6] = 10, 0, 0, 0
    numbers["box"][2, 6] = 0.5, -0.5, np.log(1 / 3), 0  # width sigmoid = 1/4, height 1/2
    (found,) = decode_grid(numbers, CATEGORIES, 0.5)
    assert found.category == "feline"
    assert found.confidence == pytest.approx(1 / (1 + np.exp(-4)) * np.exp(10) / (np.exp(10) + 3), abs=1e-5)
    middle_x, middle_y = (6 + np.tanh(0.5)) / 8, (2 - np.tanh(0.5)) / 4
    assert found.bbox == pytest.approx((middle_x - 0.125, middle_y - 0.25, 0.25, 0.5), abs=1e-5)


def test_of_overlapping_boxes_the_best_stays_per_category() -> None:
    numbers = raw(4, 4)
    for column, strength in ((1, 3), (2, 5)):
        numbers["objectness"][1, column] = strength
        numbers["classes"][1, column] = 3, 1, -9, -9
        numbers["box"][1, column] = 0, 0, 3, 3
    found = decode_grid(numbers, CATEGORIES, 0.5)
    assert [one.category for one in found] == ["feline", "other_animal"]
    assert found[0].confidence > 0.8


def test_overlap() -> None:
    assert overlap((0, 0, 1, 1), (0, 0, 1, 1)) == 1
    assert overlap((0, 0, 0.5, 1), (0.5, 0, 0.5, 1)) == 0
    assert overlap((0, 0, 0.5, 1), (0.25, 0, 0.5, 1)) == pytest.approx(1 / 3)


def test_the_whole_picture_counts_for_animals_and_not_for_people() -> None:
    shape = (2, 2)
    raw = {
        "objectness": np.zeros((*shape, 1), np.float32),
        "box": np.zeros((*shape, 4), np.float32),
        "classes": np.zeros((*shape, 4), np.float32),
        "picture": np.full((1, 1, 4), 3.0, np.float32),
    }
    alone = {d.category: d.confidence for d in decode_grid(raw, CATEGORIES, 0.5)}
    together = {d.category: d.confidence for d in decode_grid(raw, CATEGORIES, 0.5, picture_share=0.5)}
    assert alone["feline"] == pytest.approx(0.125)
    assert together["feline"] == pytest.approx(1 / (1 + math.exp(-(0.5 * math.log(0.125 / 0.875) + 1.5))))
    assert together["person"] == alone["person"]
