"""What is left out of the recipe is left out, and the full recipe stays what it was."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from train import augment, data, recipe
from train.sampler import Sampler
from train_parts import row, write_folder

SIZE = 64
FROZEN_SPECIES = [
    0, 7, 7, 7, 6, 0, 0, 7, 6, 7, 7, 7, 7, 7, 0, 7, 6, 7, 7, 7, 7, 7, 7, 6, 0, 6, 6, 7, 0, 0, 0, 7, 7, 0, 7, 7, 0, 7, 7,
    7, 7, 7, 6, 7, 7, 0, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 7, 7, 6, 6,
]  # fmt: skip
FROZEN_OBJECT, FROZEN_BOX = 108, 199.09306


@pytest.fixture
def folder(tmp_path: Path) -> tuple[list[data.Picture], data.Pixels]:
    rows = [
        row("tiger.png"), row("lion.png", label="lion"),
        row("deer.png", label="deer", group="other_animal", boxes='[["deer", 0.1, 0.1, 0.3, 0.3]]'),
        row("empty.png", label="empty", group="empty", boxes="", camera_trap="yes"),
    ]  # fmt: skip
    pictures = data.load_manifest(write_folder(tmp_path, rows))
    return pictures, data.read_all(tmp_path, pictures, tmp_path / "pixels")


def test_the_full_recipes_batches_are_those_of_0_4_0(folder: tuple[list[data.Picture], data.Pixels]) -> None:
    """Every draw of a batch depends on how many were made before it: one more or less and these differ."""
    batch = Sampler(*folder, SIZE, 5).batch(3, 60)
    assert batch["species"].tolist() == FROZEN_SPECIES
    assert batch["object"].sum() == FROZEN_OBJECT
    assert batch["box"].sum() == pytest.approx(FROZEN_BOX, rel=1e-5)


@pytest.mark.parametrize(
    ("lever", "made"), [("pasted", "_pasted"), ("negatives", "_background"), ("near", "near"), ("night", "infrared"),
                        ("weather", "lens")],
)  # fmt: skip
def test_without_a_lever_its_pictures_are_not_made_and_with_it_they_are(
    lever: str, made: str, folder: tuple[list[data.Picture], data.Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Sampler if made.startswith("_") else augment
    real, calls = getattr(owner, made), []

    def counted(*args: object, **kwargs: object) -> object:
        calls.append(made)
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, made, counted)
    batch = Sampler(*folder, SIZE, 5, recipe.without([lever])).batch(3, 100)
    assert not calls
    assert batch["image"].shape == (100, SIZE, SIZE, 3)
    Sampler(*folder, SIZE, 5).batch(3, 100)
    assert calls


def test_in_clear_weather_contrast_never_falls_and_nothing_is_blurred() -> None:
    checks = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((8, 8)))[..., None].repeat(3, axis=2)
    pixels = (96 + 64 * checks).astype(np.uint8)
    for seed in range(40):
        shown = augment.look(pixels, np.random.default_rng(seed), recipe.without(["weather", "night"]))
        assert len(np.unique(shown.reshape(-1, 3), axis=0)) <= 2, "two tones in, two tones out"


def test_a_lever_is_left_out_by_its_name() -> None:
    assert recipe.without([]) == recipe.FULL == recipe.Levers()
    assert dataclasses.asdict(recipe.without(["near", "night"])) == {
        name: name not in ("near", "night") for name in recipe.NAMES
    }
    assert set(recipe.LEFT_OUT) == set(recipe.NAMES)
    with pytest.raises(
        ValueError, match=r"'fog' is no lever: weights, lesson, pasted, night, weather, negatives, near"
    ):
        recipe.without(["fog"])
