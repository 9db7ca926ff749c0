"""Labels give classes weights on unit embeddings, and leave the foundation as it was."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.features import Rows
from backend.training.head import Floats, Head, softmax, unit
from backend.training.regression import INVERSE_PENALTY, Problem, sorted_rows

SIZE = 16
CENTRES = np.eye(4, SIZE, dtype=np.float32) * 3
NO_CLASSES = Head(np.zeros((2 * SIZE, 0), np.float32), np.zeros(0, np.float32), ())


def cloud(which: int, count: int, seed: int) -> Floats:
    noise = np.random.default_rng(seed).normal(0, 0.5, (count, SIZE))
    points: Floats = (CENTRES[which] + noise).astype(np.float32)
    return points


def rows(which: int, name: str, count: int, seed: int = 1) -> Rows:
    images = tuple(f"{name}{number:03}" for number in range(count))
    return Rows(cloud(which, count, seed), (name,) * count, images)


def share(head: Head, which: int, name: str) -> float:
    answers = head.logits(cloud(which, 200, seed=9)).argmax(axis=1)
    return float(np.mean(answers == head.classes.index(name)))


def fit_regression(foundation: Head, taught: Rows) -> Head:
    return Problem.of(foundation, sorted_rows(taught)).fit(np.arange(len(taught)))


@pytest.mark.parametrize("count", [1, 3, 12, 40])
def test_a_model_without_classes_learns_its_first(count: int) -> None:
    taught = rows(1, "owl", count).joined(rows(0, "fox", count))
    head = fit_regression(NO_CLASSES, taught)
    assert head.classes == ("fox", "owl")
    assert head.kernel.shape == (2 * SIZE, 2)
    assert not head.kernel[:SIZE].any()
    assert share(head, 0, "fox") > 0.9
    assert share(head, 1, "owl") > 0.9


def test_one_class_alone_is_the_answer_to_everything() -> None:
    head = fit_regression(NO_CLASSES, rows(0, "fox", 3))
    assert softmax(head.logits(cloud(2, 5, 1))).tolist() == [[1.0]] * 5


def test_the_order_of_the_labels_changes_nothing_at_all() -> None:
    taught = rows(0, "fox", 9).joined(rows(1, "owl", 7)).joined(rows(2, "bear", 2))
    order = np.random.default_rng(3).permutation(len(taught))
    shuffled = Rows(
        taught.embeddings[order],
        tuple(taught.classes[index] for index in order),
        tuple(taught.images[index] for index in order),
    )
    one, other = fit_regression(NO_CLASSES, taught), fit_regression(NO_CLASSES, shuffled)
    assert one.classes == other.classes == ("bear", "fox", "owl")
    assert np.array_equal(one.kernel, other.kernel)
    assert np.array_equal(one.bias, other.bias)


@pytest.mark.parametrize("count", [3, 60], ids=["rows in a basis of their own", "rows as they are"])
def test_the_head_is_the_minimum_of_the_penalized_loss(count: int) -> None:
    taught = sorted_rows(rows(0, "fox", count).joined(rows(1, "owl", count)))
    head = fit_regression(NO_CLASSES, taught)
    points = unit(taught.embeddings).astype(np.float64)
    errors = softmax(head.logits(taught.embeddings)).astype(np.float64)
    errors[np.arange(len(taught)), taught.indices(head.classes)] -= 1
    slope = INVERSE_PENALTY * points.T @ errors + head.kernel[SIZE:]
    assert np.abs(slope).max() < 1e-3 * INVERSE_PENALTY * len(taught)
    assert np.abs(errors.sum(axis=0)).max() < 1e-3 * len(taught)


def test_a_class_that_no_chosen_row_shows_is_never_the_answer() -> None:
    taught = sorted_rows(rows(0, "fox", 4).joined(rows(1, "owl", 4)).joined(rows(2, "yak", 1)))
    problem = Problem.of(NO_CLASSES, taught)
    head = problem.fit(np.array([0, 1, 2, 3, 4, 5, 6, 7], np.int32))
    assert head.classes == ("fox", "owl", "yak")
    scores = softmax(head.logits(cloud(2, 20, 1)))
    assert (scores[:, 2] == 0).all()
