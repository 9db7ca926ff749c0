"""Labels reach photos that look alike, and no others."""

from __future__ import annotations

import numpy as np

from backend.training.head import Floats
from backend.training.spreading import NEIGHBOURS, Neighbours, spread_labels


def arc(count: int, turn: float) -> Floats:
    """Points on a quarter of a circle in a plane of their own each, that begins at `turn`."""
    angles = turn + np.linspace(0, np.pi / 2, count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def crescents(count: int = 60) -> Floats:
    """Two arcs: the end of each is farther from its begin than from most of the other one."""
    return np.concatenate([arc(count, 0.0), arc(count, np.pi)])


def spread(points: Floats, labelled: dict[int, int], used: list[bool] | None = None) -> Floats:
    labels = np.zeros((len(points), 2), np.float32)
    for row, which in labelled.items():
        labels[row, which] = 1
    nothing_known = np.full(labels.shape, 0.5, np.float32)
    everything = np.ones(len(points), bool) if used is None else np.array(used)
    return spread_labels(Neighbours.of(points), labels, nothing_known, everything)


def test_neighbours_are_the_nearest_by_cosine() -> None:
    points = np.random.default_rng(1).normal(size=(40, 5)).astype(np.float32)
    found = Neighbours.of(points)
    lengths = np.linalg.norm(points, axis=1)
    cosines = points @ points.T / lengths[:, None] / lengths
    np.fill_diagonal(cosines, -2)
    for row in range(40):
        nearest = np.argsort(-cosines[row])[:NEIGHBOURS]
        assert set(found.indices[row]) == set(nearest)
        best = max(cosines[row][nearest[0]], 0) ** 3
        assert np.isclose(found.weights[row].max(), best, atol=1e-5)


def test_few_photos_have_fewer_neighbours() -> None:
    assert Neighbours.of(np.eye(3, dtype=np.float32)).indices.shape == (3, 2)


def test_one_label_reaches_all_that_a_chain_connects() -> None:
    points = crescents()
    found = spread(points, {0: 0, 60: 1})
    assert (found[:60].argmax(axis=1) == 0).all()
    assert (found[60:].argmax(axis=1) == 1).all()
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert found[0].tolist() == [1, 0]


def test_no_label_passes_through_a_photo_that_is_left_out() -> None:
    points = arc(60, 0.0)
    used = [not 20 <= index < 40 for index in range(60)]
    found = spread(points, {0: 0, 1: 1}, used)
    # What they have in common is how the classes are balanced.
    assert np.ptp(found[40:], axis=0).max() == 0
    assert np.ptp(spread(points, {0: 0, 1: 1})[40:], axis=0).max() > 0


def test_probabilities_of_a_regression_count() -> None:
    points = crescents()
    labels = np.zeros((120, 2), np.float32)
    labels[0, 0] = labels[60, 1] = 1
    sure = np.tile(np.array([[0.02, 0.98]], np.float32), (120, 1))
    everything = np.ones(120, bool)
    found = spread_labels(Neighbours.of(points), labels, sure, everything)
    assert found[30, 1] > spread(points, {0: 0, 60: 1})[30, 1]
