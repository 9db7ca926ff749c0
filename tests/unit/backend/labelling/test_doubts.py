"""Wrong labels are found, and near-duplicates that have different ones."""

from __future__ import annotations

import numpy as np

from backend.labelling.doubts import doubts, near_duplicates_apart
from backend.training.head import Floats, unit
from tests.support.scenes import judged, scatter


def _fair(points: Floats, labels: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Floats:
    """Return probabilities from two heads, each for the photos that it did not learn from."""
    halves = np.arange(len(points)) % 2
    found = np.zeros((len(points), int(labels.max()) + 1), np.float32)
    for half in (0, 1):
        learned = judged(points, np.flatnonzero(halves != half).tolist(), labels)
        found[halves == half] = learned.probabilities[halves == half]
    return found


def test_wrong_labels_come_first_and_the_right_class_is_suggested() -> None:
    points, truth = scatter([50, 50, 50], spread=0.15)
    wrong = np.arange(4, 150, 15)
    labels = truth.copy()
    labels[wrong] = (labels[wrong] + 1) % 3
    found = doubts(points, labels, _fair(points, labels))
    assert set(np.argsort(-found.doubt)[: len(wrong)].tolist()) == set(wrong.tolist())
    assert (found.suggested[wrong] == truth[wrong]).all()
    right = np.setdiff1d(np.arange(150), wrong)
    assert (found.suggested[right] == truth[right]).mean() > 0.97
    assert found.doubt.min() >= 0
    assert found.doubt.max() <= 1


def test_one_class_or_one_photo_cannot_be_doubted() -> None:
    points, truth = scatter([5])
    found = doubts(points, truth, np.ones((5, 1), np.float32))
    assert found.doubt.tolist() == [0] * 5
    assert found.suggested.tolist() == truth.tolist()


def test_near_duplicates_with_different_labels_are_paired_with_the_nearest() -> None:
    points, _ = scatter([1, 1, 1])
    copy, worse_copy = points[0] + np.float32(0.005), points[0] + np.float32(0.02)
    every = unit(np.stack([*points, copy, worse_copy]))
    # The second photo has no copy, and the last one agrees with the first.
    pairs = list(near_duplicates_apart(every, np.array([0, 1, 2, 1, 0])))
    assert [(first, second) for first, second, _ in pairs] == [(0, 3)]
    assert pairs[0][2] > 0.99
    assert list(near_duplicates_apart(every, np.zeros(5, np.int64))) == []
