"""The net and what it is punished for. Needs TensorFlow, which only training has: `make train-test`."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="TensorFlow is only in the training environment: make train-test")

from train import data, evaluate, loss, net, quantise, recipe, train  # noqa: E402
from train.sampler import grid  # noqa: E402

from trapcam.decode import decode_grid  # noqa: E402
from trapcam.species import SpeciesOutput  # noqa: E402

SIZE, CELLS = 64, 4


@pytest.fixture(scope="module")
def model() -> net.keras.Model:
    net.keras.utils.set_random_seed(3)
    return net.build(SIZE, len(data.CLASSES))


def batch(count: int = 3) -> dict[str, np.ndarray]:
    box = (0, 0.25, 0.25, 0.5, 0.5)
    grids = [grid([box], True, SIZE) for _ in range(count)]
    made = {key: np.stack([g[key] for g in grids]) for key in grids[0]}
    made["present"] = np.array([[1, 0, 0, 0]] * count, np.float32)
    made["species"] = np.array([0, data.SOME_CAT, data.NO_CAT][:count])
    return made


def test_outputs_have_the_shapes_that_the_trap_reads(model: net.keras.Model) -> None:
    outputs = net.shipped(model)(np.zeros((2, SIZE, SIZE, 3), np.float32))
    assert [tuple(out.shape) for out in outputs] == [
        (2, CELLS, CELLS, 1), (2, CELLS, CELLS, 4), (2, CELLS, CELLS, 4), (2, 1, 1, 4), (2, 1, 1, 8),
    ]  # fmt: skip
    assert len(outputs) == len(quantise.OUTPUTS) == net.SHIPPED
    assert net.shipped(model).count_params() < 1_000_000, "the project's bound"


def test_training_scores_as_the_trap_does(model: net.keras.Model) -> None:
    """`evaluate.scores`, on which thresholds rest, and `trapcam.decode`, on which the trap rests."""
    images = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    outputs = [np.asarray(out) for out in model(images.astype(np.float32) / 255)]
    pixels = {str(i): image for i, image in enumerate(images)}
    pictures = [
        data.Picture(
            file=str(i), source="", licence="", tier="", group="empty", label="", sequence="", camera_trap=False,
            night=False, boxes=(), boxed=True,
        )
        for i in range(2)
    ]  # fmt: skip
    scored = evaluate.scores(evaluate.keras_outputs(model), SIZE, pictures, pixels)
    species = SpeciesOutput(of="feline", names=data.SPECIES, share=evaluate.SPECIES_SHARE)
    for i in range(2):
        raw = dict(zip(quantise.OUTPUTS, (out[i] for out in outputs), strict=False))
        found = decode_grid(raw, data.CLASSES, 0.45, evaluate.PICTURE_SHARE, species)
        for place, name in enumerate(data.CLASSES):
            best = max((d.confidence for d in found if d.category == name), default=0.0)
            assert best == pytest.approx(scored[i, place], abs=2e-4) or scored[i, place] < 0.0101


def test_a_right_answer_costs_less_than_a_wrong_one() -> None:
    made = {key: tf.constant(value) for key, value in batch().items()}
    lesson = tf.zeros((3, net.TEACHER_CLASSES))

    def outputs(sign: float) -> list:
        here = np.where(made["object"] > 0.5, 1.0, -1.0)[..., None].astype(np.float32) * 6 * sign
        cls = np.zeros((3, CELLS, CELLS, 4), np.float32)
        cls[..., 0] = 6 * sign
        judged = np.full((3, 1, 1, 4), -6 * sign, np.float32)
        judged[..., 0] = 6 * sign
        species = np.zeros((3, 1, 1, 8), np.float32)
        species[0, 0, 0, 0] = species[2, 0, 0, data.NO_CAT] = 6 * sign
        box = np.zeros((3, CELLS, CELLS, 4), np.float32)
        return [tf.constant(v) for v in (here, box, cls, judged, species, np.zeros((3, 1, 1, 1001), np.float32))]

    right, parts = loss.total(outputs(1), made, lesson)
    wrong, wrong_parts = loss.total(outputs(-1), made, lesson)
    assert float(right) < float(wrong)
    for name in ("object", "class", "picture", "judge", "species"):
        assert float(parts[name]) < float(wrong_parts[name]), name


def test_the_species_lesson_is_our_label_softened_by_the_teacher() -> None:
    lesson = np.full((3, net.TEACHER_CLASSES), -30, np.float32)
    lesson[:, 293] = 0  # the teacher is sure of a tiger
    target = loss.species_target(tf.constant([4, data.SOME_CAT, data.NO_CAT]), tf.constant(lesson)).numpy()
    np.testing.assert_allclose(target.sum(axis=1), 1, atol=1e-4)
    assert target[0, 4] == pytest.approx(1 - loss.TAUGHT_SHARE, abs=1e-3)
    assert target[0, 0] == pytest.approx(loss.TAUGHT_SHARE, abs=1e-3)
    assert target[1, 0] > 0.99, "some cat: the teacher says which"
    assert target[1, data.NO_CAT] == 0
    assert target[2, data.NO_CAT] == pytest.approx(1 - loss.TAUGHT_SHARE, abs=1e-3)


def test_a_box_is_read_as_it_was_written() -> None:
    raw = np.random.default_rng(2).normal(size=(1, CELLS, CELLS, 4)).astype(np.float32)
    centre = loss.place(tf.constant(raw)).numpy().reshape(-1, 4)
    _, boxes = net.decode(np.zeros((1, CELLS, CELLS, 1)), raw, np.zeros((1, CELLS, CELLS, 4)))
    np.testing.assert_allclose(centre[:, :2] - centre[:, 2:] / 2, boxes[0, :, :2], atol=1e-6)
    np.testing.assert_allclose(centre[:, 2:], boxes[0, :, 2:], atol=1e-6)
    assert float(loss.giou(tf.constant(centre[0]), tf.constant(centre[0]))) == pytest.approx(1, abs=1e-5)


def test_the_int8_net_says_what_the_float_net_says(model: net.keras.Model, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    images = rng.integers(0, 256, (24, SIZE, SIZE, 3), np.uint8)
    images[0, :2], images[0, 2:4] = 0, 255
    path = tmp_path / "net.tflite"
    path.write_bytes(quantise.convert(model, images))
    runtime = quantise.interpreter(path)
    assert runtime.get_input_details()[0]["dtype"] == np.uint8
    assert {np.dtype(d["dtype"]) for d in runtime.get_output_details()} == {np.dtype(np.int8)}
    whole = quantise.tflite_outputs(path)(images[:8])
    for name, ours, theirs in zip(
        quantise.OUTPUTS, whole, evaluate.keras_outputs(net.shipped(model))(images[:8]), strict=True
    ):
        wide = float(np.ptp(theirs)) + 1e-3
        assert np.abs(ours - np.asarray(theirs)).mean() < 0.15 * wide, name


def test_without_the_lesson_nothing_the_teacher_says_counts(model: net.keras.Model) -> None:
    made = {key: tf.constant(value) for key, value in batch().items()}
    outputs = model(np.full((3, SIZE, SIZE, 3), 0.4, np.float32))
    tiger = tf.one_hot([293] * 3, net.TEACHER_CLASSES) * 30
    nothing = tf.zeros((3, net.TEACHER_CLASSES))
    full = [float(loss.total(outputs, made, lesson)[0]) for lesson in (tiger, nothing)]
    alone = [float(loss.total(outputs, made, lesson, recipe.without(["lesson"]))[0]) for lesson in (tiger, nothing)]
    assert full[0] != full[1]
    assert alone[0] == alone[1]
    labels = loss.species_labels(tf.constant([4, data.SOME_CAT, data.NO_CAT])).numpy()
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert (labels[0, 4], labels[2, data.NO_CAT], labels[1, data.NO_CAT]) == (1, 1, 0)


def test_a_random_start_neither_dies_nor_grows() -> None:
    net.keras.utils.set_random_seed(3)
    fresh = net.build(SIZE, len(data.CLASSES))
    net.random_start(fresh, 1)
    deepest = net.keras.Model(fresh.inputs, fresh.get_layer(f"block{net.DEEPEST}.project").output)
    seen = np.asarray(deepest(np.random.default_rng(1).random((8, SIZE, SIZE, 3), np.float32)))
    assert 0.02 < seen.std() < 20
    assert seen.std(axis=0).mean() > 0.005, "pictures are told apart"


def test_a_net_that_starts_by_lot_learns_as_a_whole_from_the_first_step() -> None:
    full = train.whole(train.Settings(epochs=6))
    assert (full.cycle_epochs, full.frozen_from, full.trunk_rate) == (6, 600, train.Settings.trunk_rate)
    bare = train.whole(train.Settings(epochs=6, without=("weights",)))
    assert (bare.trunk_rate, bare.head_only_steps, bare.frozen_from) == (bare.learning_rate, 0, 1200)
    assert train.whole(train.Settings(epochs=6, without=("night",))) == dataclasses.replace(full, without=("night",))
