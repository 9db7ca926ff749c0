"""What more labels are expected to bring."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.features import Rows
from backend.training.outlook import ADDED, CurvePoint, expected, learning_curve, outlook_of
from tests.support.scenes import scatter


def _rows(per_class: int, *, spread: float, classes: int = 4, seed: int = 1) -> Rows:
    points, truth = scatter([per_class] * classes, spread=spread, seed=seed)
    names = tuple(f"class {index}" for index in truth)
    return Rows(points, names, tuple(f"{index:064x}" for index in range(len(points))))


def test_a_power_of_the_number_of_labels_is_continued() -> None:
    curve = [CurvePoint(labels, 0.5 * labels**-0.4) for labels in (80.0, 50.0, 25.0)]
    outlook = expected(curve, 100, 5_000)
    true = 0.5 * (100**-0.4 - 120**-0.4)
    assert outlook.labels_per_class_added == ADDED == 20
    assert outlook.gain == pytest.approx(true, rel=0.15)
    assert outlook.low < true < outlook.high


def test_the_more_labels_there_are_the_less_more_of_them_bring() -> None:
    few = outlook_of(_rows(8, spread=0.35))
    many = outlook_of(_rows(120, spread=0.35))
    assert few is not None
    assert many is not None
    assert few.gain > 2 * many.gain > 0
    assert few.high - few.low > many.high - many.low


def test_a_curve_that_is_flat_promises_nothing_much() -> None:
    curve = [CurvePoint(labels, 0.2) for labels in (40.0, 25.0, 12.5)]
    outlook = expected(curve, 50, 1_000)
    assert 0 <= outlook.gain < 0.02
    assert outlook.low < 0


def test_no_more_is_promised_than_there_is_to_gain() -> None:
    # All photos of a class are nearly the same.
    perfect = outlook_of(_rows(30, spread=0.02))
    assert perfect is not None
    assert 0 <= perfect.gain <= perfect.high < 0.02
    lower = expected([CurvePoint(8, 0.4), CurvePoint(4, 0.6)], 10, 40, error=0.01)
    assert lower.high <= 0.0125


def test_too_few_labels_say_nothing() -> None:
    assert outlook_of(_rows(3, spread=0.1)) is None
    assert outlook_of(_rows(50, spread=0.1, classes=1)) is None


def test_it_is_the_same_each_time_and_counts_no_near_duplicate_as_unseen() -> None:
    rows = _rows(20, spread=0.3)
    assert outlook_of(rows) == outlook_of(rows)
    truth = rows.indices(tuple(sorted(set(rows.classes))))
    # Ten shots of each photo teach no more than one, and must not be mistaken for others.
    once = learning_curve(rows.embeddings, truth)
    ten = learning_curve(np.repeat(rows.embeddings, 10, axis=0), np.repeat(truth, 10))
    assert ten[0].error > 0.7 * once[0].error > 0
