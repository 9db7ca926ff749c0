"""Labels give classes weights on unit embeddings, and leave the foundation as it was."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.features import Rows
from backend.training.head import Floats, Head, softmax, unit
from backend.training.regression import INVERSE_PENALTY, Problem, sorted_rows

SIZE = 16
CENTRES = np.eye(4, SIZE, dtype=np.float32) * 3
MEAN = np.full(SIZE, 0.1, np.float32)
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
    return Problem(foundation, sorted_rows(taught), MEAN).fit(np.arange(len(taught)))


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
    assert np.abs(slope).max() < 1e-4 * INVERSE_PENALTY * len(taught)
    assert np.abs(errors.sum(axis=0)).max() < 1e-4 * len(taught)


def test_a_class_that_no_chosen_row_shows_is_never_the_answer() -> None:
    taught = sorted_rows(rows(0, "fox", 4).joined(rows(1, "owl", 4)).joined(rows(2, "yak", 1)))
    problem = Problem(NO_CLASSES, taught, MEAN)
    head = problem.fit(np.array([0, 1, 2, 3, 4, 5, 6, 7], np.int32))
    assert head.classes == ("fox", "owl", "yak")
    scores = softmax(head.logits(cloud(2, 20, 1)))
    assert (scores[:, 2] == 0).all()


OLD = ("apple", "boat", "crow")
_LOWER = np.zeros((SIZE, 3), np.float32)
FOUNDATION = Head(
    np.concatenate([2 * CENTRES[:3].T, _LOWER]), np.array([-9.0, -9.0, -9.0], np.float32), OLD
)
"""Answers clouds 0, 1 and 2."""


@pytest.mark.parametrize("count", [1, 5, 40])
def test_a_new_class_is_learned_beside_a_foundation_that_stays(count: int) -> None:
    head = fit_regression(FOUNDATION, rows(3, "yak", count))
    assert head.classes == (*OLD, "yak")
    assert share(head, 3, "yak") > 0.8
    for which, name in enumerate(OLD):
        assert share(head, which, name) > 0.95
    assert np.array_equal(head.kernel[:, :3], FOUNDATION.kernel)
    assert np.array_equal(head.bias[:3], FOUNDATION.bias)


def test_rows_are_held_out_as_if_each_part_were_fitted_by_itself() -> None:
    """Also where a class is left out as a whole, and where nothing is left."""
    taught = sorted_rows(
        rows(3, "yak", 9).joined(rows(0, "apple", 8)).joined(rows(1, "zebra", 1, seed=4))
    )
    every = np.arange(len(taught))
    zebra = np.flatnonzero(np.array(taught.classes) == "zebra")
    parts = [every[0:4], every[4:9], zebra, every]
    for foundation in (FOUNDATION, NO_CLASSES):
        problem = Problem(foundation, taught, MEAN)
        *found, nothing_left = problem.held_out_logits(parts)
        for part, logits in zip(parts, found, strict=False):
            head = problem.fit(np.setdiff1d(every, part))
            expected = head.logits(taught.embeddings[part])
            assert np.allclose(softmax(logits), softmax(expected), atol=0.005)
        assert nothing_left.shape == (len(taught), len(foundation.classes))
        assert np.array_equal(nothing_left, foundation.logits(taught.embeddings))


def test_a_new_class_that_looks_like_an_old_one_takes_its_own_photos_alone() -> None:
    near = CENTRES[0] + 2.5 * CENTRES[3]
    photos = (near + np.random.default_rng(2).normal(0, 0.3, (20, SIZE))).astype(np.float32)
    taught = Rows(photos, ("yak",) * 20, tuple(f"{number:03}" for number in range(20)))
    head = fit_regression(FOUNDATION, taught)
    unseen = (near + np.random.default_rng(3).normal(0, 0.3, (100, SIZE))).astype(np.float32)
    assert np.mean(head.logits(unseen).argmax(axis=1) == 3) > 0.9
    assert share(head, 0, "apple") > 0.95


def test_a_correction_moves_an_old_class_and_no_other() -> None:
    before = share(FOUNDATION, 3, "crow")
    head = fit_regression(FOUNDATION, rows(3, "crow", 12))
    assert head.classes == OLD
    assert share(head, 3, "crow") > before + 0.3
    assert np.array_equal(head.kernel[:, :2], FOUNDATION.kernel[:, :2])
    for which, name in enumerate(OLD):
        assert share(head, which, name) > 0.95


def test_new_classes_beside_a_foundation_are_told_apart() -> None:
    other = CENTRES[3] + 3 * np.eye(1, SIZE, 9, dtype=np.float32)[0]
    photos = (other + np.random.default_rng(4).normal(0, 0.5, (10, SIZE))).astype(np.float32)
    taught = rows(3, "yak", 10).joined(
        Rows(photos, ("zebu",) * 10, tuple(f"zebu{number:03}" for number in range(10)))
    )
    head = fit_regression(FOUNDATION, taught)
    assert share(head, 3, "yak") > 0.9
    unseen = (other + np.random.default_rng(5).normal(0, 0.5, (100, SIZE))).astype(np.float32)
    assert np.mean(head.logits(unseen).argmax(axis=1) == 4) > 0.9


def test_the_order_of_the_labels_changes_nothing_beside_a_foundation() -> None:
    taught = rows(3, "yak", 9).joined(rows(0, "boat", 7))
    reverse = Rows(taught.embeddings[::-1], taught.classes[::-1], taught.images[::-1])
    one, other = fit_regression(FOUNDATION, taught), fit_regression(FOUNDATION, reverse)
    assert np.array_equal(one.kernel, other.kernel)
    assert np.array_equal(one.bias, other.bias)


def test_a_foundation_that_was_taught_itself_can_be_built_on() -> None:
    taught = fit_regression(NO_CLASSES, rows(0, "fox", 9).joined(rows(1, "owl", 9)))
    head = fit_regression(taught, rows(3, "yak", 9))
    assert head.classes == ("fox", "owl", "yak")
    assert share(head, 3, "yak") > 0.8
    assert share(head, 0, "fox") > 0.8
    assert share(head, 1, "owl") > 0.8


def test_a_foundation_of_a_single_class_can_be_built_on() -> None:
    lone = fit_regression(NO_CLASSES, rows(0, "fox", 9))
    head = fit_regression(lone, rows(3, "yak", 9))
    assert np.isfinite(head.logits(cloud(2, 5, 1))).all()
    assert head.classes == ("fox", "yak")
