"""Which frame of a burst is looked at: on photographs of a real cat, and on real camera-trap sequences."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from burst_parts import Box, blurred, chelsea, noisy, scene, walking
from cam_parts import FakeDetection
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageOps

from trapcam import choice
from trapcam.camera.still import decode_picture, read_bytes
from trapcam.choice import View, choose, sharpness, spread
from trapcam.config import TrapSettings, model_path
from trapcam.detect import Detector
from trapcam.frames import Image
from trapcam.motion import moved

SHARED = Path(__file__).resolve().parents[3] / "shared" / "images"
STATION = "mikeyEcology/MLWIC_examples"  # the one camera trap there that shows cats
CATS = {"bobcat", "puma"}
THRESHOLD = 0.5


def views_of(shown: Sequence[tuple[Image, Box, float]], every_ms: int = 1_000) -> list[View]:
    """Of each frame its picture, the cat's box and confidence."""
    found = []
    for number, (image, box, confidence) in enumerate(shown):
        found += choice.views(number, number * every_ms, image, [FakeDetection(bbox=box, confidence=confidence)])
    return found


def best_of(*shown: tuple[tuple[Image, Box], float]) -> int:
    """Which frame is chosen, of (picture and box, confidence) each."""
    return choose(views_of([(*picture, confidence) for picture, confidence in shown]), THRESHOLD, 1)[0].frame


def test_a_sharp_cat_is_preferred_to_a_surer_blurred_one() -> None:
    sharp = scene(330, 170)
    assert best_of((scene(330, 170, look=blurred(3)), 0.95), (sharp, 0.75)) == 1
    assert best_of((sharp, 0.75), (scene(330, 170, look=blurred(3)), 0.95)) == 0


def test_a_cat_blurred_by_her_walk_is_not_sharp_because_the_ground_is() -> None:
    assert best_of((scene(330, 170, look=walking(12)), 0.95), (scene(500, 170), 0.75)) == 1


def test_noise_is_not_sharpness() -> None:
    image, box = scene(330, 170, look=blurred(4))
    assert best_of(((noisy(image, 8), box), 0.9), (scene(330, 170), 0.8)) == 1


def test_a_whole_cat_is_preferred_to_one_that_the_edge_cuts() -> None:
    assert best_of((scene(-130, 170), 0.95), (scene(200, 170), 0.75)) == 1
    assert best_of((scene(200, 330 + 100), 0.95), (scene(200, 170), 0.75)) == 1


def test_a_flank_is_preferred_to_a_face() -> None:
    assert best_of((scene(400, 150, size=(140, 240)), 0.95), (scene(330, 170), 0.75)) == 1


def test_a_near_cat_is_preferred_to_a_far_one_that_is_as_sure() -> None:
    assert best_of((scene(500, 200, size=(60, 40)), 0.9), (scene(330, 170), 0.9)) == 1


def test_of_alike_views_the_surest_and_of_equals_the_earliest() -> None:
    assert best_of((scene(330, 170), 0.7), (scene(330, 170), 0.9), (scene(330, 170), 0.9)) == 1


def test_the_best_frame_is_never_one_below_the_threshold() -> None:
    shown = views_of([(*scene(330, 170), THRESHOLD - 0.01), (*scene(330, 170, look=blurred(5)), THRESHOLD)])
    assert choose(shown, THRESHOLD, 1)[0].frame == 1
    assert choose(shown[:1], THRESHOLD, 3) == []


def test_further_frames_show_another_side_and_not_the_same_again() -> None:
    same = [scene(330, 170)] * 3
    turned = scene(330, 170, look=ImageOps.mirror)
    frames = [*same, turned, scene(332, 170)]
    chosen = choose(views_of([(*p, 0.9 if i else 0.95) for i, p in enumerate(frames)]), THRESHOLD, 3)
    assert [view.frame for view in chosen] == [0, 3], "one of what stands still, and the other side"


def test_of_frames_that_add_as_much_the_one_further_in_time_is_taken() -> None:
    pictures = [scene(330, 170), scene(330, 170, look=ImageOps.flip), scene(330, 170, look=ImageOps.flip)]
    shown = [(*picture, 0.9 if number else 0.95) for number, picture in enumerate(pictures)]
    assert [v.frame for v in choose(views_of(shown), THRESHOLD, 2)] == [0, 2]


def test_a_sliver_at_the_edge_is_no_further_frame_where_there_are_better_ones() -> None:
    looks = [scene(330, 170), scene(-270, 170), *(scene(330, 170, look=f) for f in (ImageOps.mirror, ImageOps.flip))]
    chosen = choose(views_of([(*picture, 0.9) for picture in looks]), THRESHOLD, 3)
    assert sorted(view.frame for view in chosen) == [0, 2, 3]


def test_further_frames_may_be_less_sure_and_are_never_two_of_one_frame() -> None:
    image, box = scene(330, 170)
    other = scene(330, 170, look=ImageOps.mirror)
    both = [FakeDetection(bbox=box, confidence=0.9), FakeDetection(bbox=(0, 0, 0.2, 0.2), confidence=0.8)]
    shown = choice.views(0, 0, image, both)
    shown += choice.views(1, 1000, other[0], [FakeDetection(bbox=other[1], confidence=THRESHOLD / 2)])
    assert [view.frame for view in choose(shown, THRESHOLD, 3)] == [0, 1]


def test_only_the_surest_animals_of_a_frame_are_measured() -> None:
    herd = [FakeDetection(confidence=0.1 * n) for n in range(9)]
    found = choice.views(0, 0, scene(330, 170)[0], herd)
    assert [round(view.confidence, 1) for view in found] == [0.8, 0.7, 0.6]


def test_sharpness_does_not_hang_on_how_the_picture_is_cut_into_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    cat = np.asarray(chelsea())
    whole = sharpness(cat)
    monkeypatch.setattr(choice, "STRIP", 7)
    assert sharpness(cat) == pytest.approx(whole, rel=1e-5)
    assert sharpness(cat[:4]) == sharpness(cat[:, :4]) == 0.0


def test_frames_that_nobody_judged_are_spread_over_the_burst() -> None:
    assert spread(1, 3) == [0]
    assert spread(2, 3) == [0, 1]
    assert spread(6, 1) == [3]
    assert sorted(spread(6, 2)) == [0, 5]
    assert sorted(spread(7, 3)) == [0, 3, 6]
    assert spread(7, 3)[0] == 3


@given(
    boxes=st.lists(
        st.tuples(*[st.floats(0, 1)] * 4).map(lambda b: (b[0], b[1], min(b[2], 1 - b[0]), min(b[3], 1 - b[1]))),
        min_size=1,
        max_size=5,
    ),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 9),
)
def test_any_box_in_any_picture_can_be_measured(boxes: list[Box], size: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    shown = views_of([(image, box, 0.5 + 0.1 * n) for n, box in enumerate(boxes)])
    chosen = choose(shown, THRESHOLD, 3)
    assert 1 <= len(chosen) <= min(3, len(boxes))
    assert len({view.frame for view in chosen}) == len(chosen)
    assert all(0 < view.area <= 1 and view.wide > 0 and np.isfinite(view.look).all() for view in shown)
    assert choose(shown, THRESHOLD, 3) == chosen, "the same again"


@pytest.fixture(scope="module")
def sequences() -> list[list[View]]:
    """Bursts of up to six pictures of one visit, in which a cat stands in every one."""
    if not (SHARED / "manifest.csv").exists():
        pytest.skip(f"no camera-trap sequences in {SHARED}")
    with (SHARED / "manifest.csv").open(newline="") as file:
        rows = sorted((r for r in csv.DictReader(file) if r["source_repo"] == STATION), key=lambda r: r["file"])
    runs: list[list[str]] = [[]]
    for before, row in zip([None, *rows], rows, strict=False):
        goes_on = before is not None and before["sequence_id"] == row["sequence_id"] and before["label"] in CATS
        if row["label"] in CATS and goes_on and len(runs[-1]) < 6:
            runs[-1].append(row["file"])
        elif row["label"] in CATS:
            runs.append([row["file"]])
    detector = Detector(model_path(TrapSettings()))
    found = []
    for run in (run for run in runs if len(run) > 1):
        images = [decode_picture(read_bytes(SHARED / name), 1e8)[0] for name in run]
        shown: list[View] = []
        for number, (image, place) in enumerate(zip(images, moved(images), strict=True)):
            cats = [d for d in detector.detect(image, place) if d.category == "feline"]
            shown += choice.views(number, number * 1_000, image, cats)
        found.append(shown)
    return found


def test_on_real_sequences_the_cat_is_whole_and_seen_from_the_side(sequences: list[list[View]]) -> None:
    """Measured with 0.4.0 over 25 bursts of a bobcat and a puma: 13 choices differ from the surest frame, and by eye
    none of these is worse; of the surest frames the edge cuts 5, of the chosen ones 2."""
    threshold = Detector(model_path(TrapSettings())).description.thresholds["feline"]
    chosen = [choose(shown, threshold, 1)[0] for shown in sequences if choose(shown, threshold, 1)]
    surest = [max(shown, key=lambda v: (v.confidence, -v.frame)) for shown in sequences if choose(shown, threshold, 1)]
    differ = sum(a.frame != b.frame for a, b in zip(chosen, surest, strict=True))
    cut, cut_surest = (sum(v.cut > 0 for v in views) for views in (chosen, surest))
    print(f"{len(chosen)} bursts, {differ} differ; cut off: {cut} chosen, {cut_surest} surest")
    print(f"width by height: {np.mean([v.wide for v in chosen]):.2f}, {np.mean([v.wide for v in surest]):.2f}")
    assert len(chosen) >= 20
    assert differ >= len(chosen) / 4
    assert cut <= cut_surest / 2
    assert np.mean([v.wide for v in chosen]) > np.mean([v.wide for v in surest])
    assert min(v.confidence for v in chosen) >= threshold
