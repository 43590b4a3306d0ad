"""The committed model on photographs that ship inside scikit-image (never trained on), and models refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image as Pictures

from trapcam.checkedtoml import ModelError
from trapcam.config import TrapSettings, model_path
from trapcam.description import load_description
from trapcam.detect import Detector
from trapcam.frames import Image
from trapcam.sighting import Event, Rejected, decide
from trapcam.species import NAMED_FROM
from trapwire.alert import SPECIES

MODEL = model_path(TrapSettings())
PHOTOGRAPHS = Path(skimage.__file__).parent / "data"
OTHERS = (
    "astronaut.png", "brick.png", "camera.png", "clock_motion.png", "coffee.png", "coins.png", "color.png", "grass.png",
    "gravel.png", "horse.png", "hubble_deep_field.jpg", "logo.png", "moon.png", "page.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(MODEL)


def photograph(name: str) -> Image:
    with Pictures.open(PHOTOGRAPHS / name) as picture:
        return np.asarray(picture.convert("RGB"))


def test_the_cat_is_kept_and_its_box_covers_it(detector: Detector) -> None:
    found = detector.detect(photograph("chelsea.png"))
    event = decide([found], detector.description.thresholds)
    assert isinstance(event, Event)
    assert event.category == "feline"
    assert event.count == 1, "one cat is one animal"
    assert event.confidence >= 0.8
    x, y, width, height = event.bbox
    assert x <= 0.45 <= x + width  # Chelsea's nose is near the middle
    assert y <= 0.6 <= y + height


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_else_is_kept_as_a_cat(detector: Detector, name: str) -> None:
    assert isinstance(decide([detector.detect(photograph(name))], detector.description.thresholds), Rejected)


def test_a_page_of_writing_comes_near_to_a_cat(detector: Detector) -> None:
    """0.35 with 0.4.0, 0.52 with 0.3.0; no camera trap takes one. Another processor may round it over the threshold."""
    felines = [one for one in detector.detect(photograph("text.png")) if one.category == "feline"]
    assert max((one.confidence for one in felines), default=0.0) < 0.45


def test_a_horse_is_another_animal(detector: Detector) -> None:
    (best, *_) = detector.detect(photograph("horse.png"))
    assert (best.category, best.confidence >= 0.6) == ("other_animal", True)


@pytest.mark.parametrize("grey", [False, True])
def test_a_house_cat_is_no_tiger(detector: Detector, grey: bool) -> None:
    """Chelsea is surely none of the cats that the traps are for. Which other one she is, 0.4.0 does not know: domestic
    0.28, and in grey 0.47. It names nothing below NAMED_FROM, and the alert says "feline"."""
    image = photograph("chelsea.png")
    if grey:
        image = np.repeat(image.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    found = detector.detect(image)
    (cat, *_) = [one for one in found if one.category == "feline"]
    shares = dict(cat.likely)
    described = detector.description.species
    assert described is not None
    assert tuple(shares) == described.names
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["tiger"] + shares["leopard"] + shares["snow leopard"] < 0.25 < NAMED_FROM
    assert max(shares, key=lambda name: shares[name]) in ("domestic cat", "other feline")
    event = decide([found], detector.description.thresholds)
    assert isinstance(event, Event)
    assert SPECIES[event.species] in ("feline", "domestic cat", "other feline")


def test_only_cats_have_a_species(detector: Detector) -> None:
    found = [one for name in ("horse.png", "astronaut.png", "chelsea.png") for one in detector.detect(photograph(name))]
    assert {one.category for one in found if one.likely} == {"feline"}
    assert all(one.likely for one in found if one.category == "feline")


def test_a_portrait_is_withheld_as_private(detector: Detector) -> None:
    outcome = decide([detector.detect(photograph("astronaut.png"))], detector.description.thresholds)
    assert isinstance(outcome, Rejected)
    assert outcome.private


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (700, 3), (1296, 2304)])
def test_any_size_works_and_boxes_stay_inside(detector: Detector, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = detector.detect(noise)
    assert found == sorted(found, key=lambda d: -d.confidence)
    for one in found:
        assert 0.01 <= one.confidence <= 1
        x, y, width, height = one.bbox
        assert 0 <= x <= x + width <= 1 + 1e-6
        assert 0 <= y <= y + height <= 1 + 1e-6


def test_the_same_picture_gives_the_same_answer(detector: Detector) -> None:
    assert detector.detect(photograph("chelsea.png")) == detector.detect(photograph("chelsea.png"))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((8, 8, 3), np.float32),
    ],
)
def test_what_is_no_picture_is_refused(detector: Detector, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a picture is uint8"):
        detector.detect(image)


def copy_model(folder: Path) -> Path:
    for suffix in (".tflite", ".toml"):
        shutil.copy(MODEL.with_suffix(suffix), folder)
    return folder / MODEL.name


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("width_px = 192", "width_px = 256", "input shape"),
        ('type = "uint8"', 'type = "int8"', "type of input"),
        ("shape = [1, 12, 12, 4]", "shape = [1, 7, 12, 4]", "outputs"),
        ("nms_iou = 0.45", "nms_iou = 45", "nms_iou = 45"),
        ('"feline", "other_animal"', '"Lion!", "other_animal"', "classes"),
        ('"person", ', "", "classes"),
        ('"vehicle"]', '"person"]', "classes"),
        ('"feline", "other_animal", "person", "vehicle"', '"feline", "person", "vehicle"', "shape"),
        ("person = 0.", "people = 0.", "thresholds.person = None"),
        ('decoding = "grid-3"', 'decoding = "grid-9"', "decoding = 'grid-9'"),
        ('decoding = "grid-3"', 'decoding = "grid-2"', "index = 4"),
        ("[outputs.species]", "[outputs.genus]", "species"),
        ('"tiger", "leopard"', '"leopard"', "species"),
        ('colour_order = "RGB"', 'colour_order = "BGR"', "input.colour_order"),
        ('sha256 = "', 'sha256 = "zz', "sha256"),
        ("[input]", "[input", "not a TOML file"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_by_name(tmp_path: Path, old: str, new: str, named: str) -> None:
    model = copy_model(tmp_path)
    path = model.with_suffix(".toml")
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ModelError) as refused:
        Detector(model)
    assert named in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_outputs_in_another_order_are_refused(tmp_path: Path) -> None:
    model = copy_model(tmp_path)
    path = model.with_suffix(".toml")
    places = {tensor.name: tensor.index for tensor in load_description(path).outputs}
    lines, swap = [], {places["objectness"]: places["box"], places["box"]: places["objectness"]}
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("index = "):
            index = int(line.removeprefix("index = "))
            line = f"index = {swap.get(index, index)}"
        lines.append(line)
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(ModelError, match="shape of output"):
        Detector(model)
