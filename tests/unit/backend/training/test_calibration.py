"""Scores are divided by one temperature, and how wrong they are is measured."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.calibration import (
    calibrate,
    error_by_chance,
    expected_calibration_error,
    with_temperature,
)
from backend.training.features import Integers
from backend.training.head import Floats, softmax


def drawn(count: int, temperature: float) -> tuple[Floats, Integers]:
    """Return probabilities [count, 4] that are exact once divided by `temperature`, and truth."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, (count, 4)).astype(np.float32)
    exact = softmax(logits)
    truth = np.array([random.choice(4, p=row / row.sum()) for row in exact.astype(np.float64)])
    return softmax(logits * np.float32(temperature)), truth


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_is_found(temperature: float) -> None:
    probabilities, truth = drawn(4000, temperature)
    found = calibrate(probabilities, truth)
    assert found is not None
    assert found.temperature == pytest.approx(temperature, rel=0.1)
    assert found.error <= 0.03
    assert found.error <= found.error_by_chance * 2
    if temperature != 1.0:
        assert found.error_before > 2 * found.error
    calibrated = with_temperature(probabilities, found.temperature)
    assert (calibrated.argmax(axis=1) == probabilities.argmax(axis=1)).all()


def test_the_error_is_the_difference_of_scores_and_right_answers() -> None:
    probabilities = np.array([[0.8, 0.2]] * 10, np.float32)
    truth = np.array([0] * 6 + [1] * 4)
    assert expected_calibration_error(probabilities, truth) == pytest.approx(0.2)


def test_few_photos_look_wrong_by_chance_alone() -> None:
    probabilities, _ = drawn(4000, 1.0)
    few, many = error_by_chance(probabilities[:40]), error_by_chance(probabilities)
    assert few > 3 * many


def test_nothing_to_calibrate() -> None:
    assert calibrate(np.zeros((5, 3), np.float32), np.zeros(5, np.int64)) is None
    assert calibrate(np.ones((5, 1), np.float32), np.zeros(5, np.int64)) is None
    fixed = calibrate(*drawn(100, 2.0), fixed=True)
    assert fixed is not None
    assert fixed.temperature == 1.0
    assert fixed.error == fixed.error_before


def test_one_confident_mistake_does_not_decide_everything() -> None:
    probabilities = np.full((20, 2), (1.0, 0.0), np.float32)
    truth = np.array([0] * 19 + [1])
    found = calibrate(probabilities, truth)
    assert found is not None
    assert np.isfinite(found.temperature)
    assert with_temperature(probabilities, found.temperature)[0, 0] > 0.8
