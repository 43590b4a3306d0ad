"""The lesson with the test's pictures, which no shipped net had: short and gentle, and of other batches."""

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is only in the training environment: make train-test")

from train import train


@pytest.mark.parametrize("epochs", [1, 6, 14])
def test_it_is_short_gentle_and_of_other_batches(epochs: int) -> None:
    settings = train.Settings(epochs=epochs, cycle_epochs=epochs)
    last = train.last_lesson(settings)
    assert 1 <= last.epochs <= max(1, epochs // 6)
    assert last.learning_rate == pytest.approx(0.2 * settings.learning_rate)
    assert last.trunk_rate == pytest.approx(0.2 * settings.trunk_rate)
    assert (last.cycle_epochs, last.frozen_from, last.head_only_steps) == (0, 0, 0), "one low rate, first blocks alone"
    assert last.seed != settings.seed
    assert (last.size, last.batch) == (settings.size, settings.batch)
