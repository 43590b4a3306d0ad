"""Training samples: a pure function of seed and step, with boxes where the animals are."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from train import augment, data
from train.sampler import Sampler, grid
from train_parts import row, write_folder

SIZE = 64


@pytest.fixture
def sampler(tmp_path: Path) -> Sampler:
    rows = [
        row("tiger.png"), row("cat.png", label="cat", group="domestic_cat"), row("some.png", label="wild_cat"),
        row("deer.png", label="deer", group="other_animal", boxes='[["deer", 0.1, 0.1, 0.3, 0.3]]'),
        row("person.png", label="person", group="person", boxes='[["person", 0.4, 0.2, 0.2, 0.7]]'),
        row("car.png", label="car", group="vehicle", boxes='[["car", 0, 0.2, 1, 0.7]]'),
        row("empty.png", label="empty", group="empty", boxes="", camera_trap="yes"),
        row("unboxed.png", boxes=""),
    ]  # fmt: skip
    pictures = data.load_manifest(write_folder(tmp_path, rows))
    return Sampler(pictures, data.read_all(tmp_path, pictures, tmp_path / "pixels"), SIZE, 5)


def test_a_batch_is_the_same_whenever_it_is_made(sampler: Sampler) -> None:
    first, again, next_one = sampler.batch(3, 8), sampler.batch(3, 8), sampler.batch(4, 8)
    for key, value in first.items():
        np.testing.assert_array_equal(value, again[key])
    assert not np.array_equal(first["image"], next_one["image"])


def test_shapes_and_what_goes_together(sampler: Sampler) -> None:
    batch = sampler.batch(0, 200)
    assert batch["image"].shape == batch["clean"].shape == (200, SIZE, SIZE, 3)
    assert batch["object"].shape == (200, SIZE // 16, SIZE // 16)
    cats, species = batch["present"][:, 0], batch["species"]
    # A cat has a species or is some cat; no cat is none; who does not know the one does not know the other.
    assert ((species[cats == 1] >= data.SOME_CAT) & (species[cats == 1] < data.NO_CAT)).all()
    assert (species[cats == 0] == data.NO_CAT).all()
    assert (species[cats < 0] == data.NOT_KNOWN).all()
    assert {data.SPECIES.index("tiger"), data.SPECIES.index("domestic cat"), data.SOME_CAT, data.NO_CAT} <= set(species)
    for index in range(4):
        assert (batch["present"][:, index] == 1).any(), data.CLASSES[index]


def test_the_four_cells_around_a_middle_own_the_box() -> None:
    target = grid([(1, 0.25, 0.25, 0.5, 0.5)], True, SIZE)
    assert target["object"].sum() == 4
    assert (target["object"][1:3, 1:3] == 1).all() or (target["object"][2:4, 2:4] == 1).all()
    owned = target["object"] == 1
    assert (target["class"][owned] == 1).all()
    np.testing.assert_allclose(target["box"][owned], [[0.5, 0.5, 0.5, 0.5]] * 4)
    assert (grid([], False, SIZE)["object"] == -1).all(), "nobody knows where: nothing is learned"
    ignored = grid([(augment.IGNORE, 0, 0, 0.3, 0.3)], True, SIZE)["object"]
    assert ignored[0, 0] == -1
    assert ignored[-1, -1] == 0


PLACE = st.floats(0, 0.9)


@settings(max_examples=60, deadline=None)
@given(x=PLACE, y=PLACE, w=st.floats(0.05, 1), h=st.floats(0.05, 1), seed=st.integers(0, 2**32))
def test_boxes_stay_in_the_picture_whatever_the_window(x: float, y: float, w: float, h: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (60, 80, 3), np.uint8)
    box = (0, x, y, min(w, 1 - x), min(h, 1 - y))
    close, boxes = augment.near(pixels, [box], box, rng)
    _check(boxes)
    assert boxes, "the second look is at the animal"
    shown, boxes = augment.crop(close, boxes, SIZE, rng, zoom=(0.3, 2), fill=None)
    _check(boxes)
    flipped, turned = augment.flip(shown, boxes)
    _check(turned)
    assert flipped.shape == shown.shape == (SIZE, SIZE, 3)
    np.testing.assert_allclose([b[1] for b in augment.flip(flipped, turned)[1]], [b[1] for b in boxes], atol=1e-9)


def _check(boxes: list[data.Box]) -> None:
    for cls, x, y, w, h in boxes:
        assert cls in (0, augment.IGNORE)
        assert x >= -1e-9
        assert y >= -1e-9
        assert x + w <= 1 + 1e-9
        assert y + h <= 1 + 1e-9
        assert w > 0
        assert h > 0


def test_a_marked_animal_is_marked_where_the_window_shows_it() -> None:
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[30:60, 20:70] = 255
    rng = np.random.default_rng(1)
    for _ in range(20):
        shown, boxes = augment.crop(pixels, [(0, 0.2, 0.3, 0.5, 0.3)], 100, rng, zoom=(0.8, 1.4), fill=None)
        if boxes and boxes[0][0] == 0:
            _, x, y, w, h = boxes[0]
            inside = shown[int(y * 100 + 3) : int((y + h) * 100 - 3), int(x * 100 + 3) : int((x + w) * 100 - 3)]
            assert inside.mean() > 230


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_light_and_lens_change_a_picture_and_never_its_shape(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    for made in (augment.look(pixels, rng), augment.infrared(pixels, rng), augment.nothing(SIZE, rng)):
        assert made.shape == (SIZE, SIZE, 3)
        assert made.dtype == np.uint8
