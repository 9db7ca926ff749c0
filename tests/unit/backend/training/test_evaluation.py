"""Accuracy is measured on photos that a head did not learn from."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.evaluation import (
    FROZEN_FROM,
    MAX_MISTAKES,
    Answers,
    answers_in,
    answers_of,
    cross_validated,
    evaluate,
    fair_answers,
    interval_half_width,
    report,
    stratified_folds,
)
from backend.training.features import Rows
from backend.training.head import Floats, Head
from backend.training.learned import Learned
from backend.training.regression import Problem, sorted_rows

SIZE = 8
MEAN = np.full(SIZE, 0.3, np.float32)
NO_CLASSES = Head(np.zeros((2 * SIZE, 0), np.float32), np.zeros(0, np.float32), ())


def cloud(which: int, count: int, noise: float = 0.1) -> Floats:
    points = np.random.default_rng(which).normal(0, noise, (count, SIZE))
    points[:, which] += 1
    return points.astype(np.float32)


def rows(which: int, name: str, count: int, noise: float = 0.1) -> Rows:
    images = tuple(f"{name}{number:03}" for number in range(count))
    return Rows(cloud(which, count, noise), (name,) * count, images)


def cross_validate(taught: Rows, foundation: Head = NO_CLASSES) -> Answers:
    taught = sorted_rows(taught)
    problem = Problem(foundation, taught, MEAN)
    return answers_in(cross_validated(problem, taught, lambda number, count: None))


def dealt(classes: tuple[str, ...], groups: list[int] | None = None) -> list[list[int]]:
    count = len(classes)
    images = tuple(f"{number:05}" for number in range(count))
    taught = Rows(np.zeros((count, SIZE), np.float32), classes, images)
    parts = stratified_folds(taught, np.arange(count) if groups is None else np.array(groups))
    return [part.tolist() for part in parts]


@pytest.mark.parametrize(
    ("count", "parts"), [(0, 0), (1, 1), (20, 20), (21, 10), (500, 10), (501, 5), (2000, 5)]
)
def test_every_row_is_in_one_part(count: int, parts: int) -> None:
    found = dealt(("a", "b", "c", "d", "e", "f", "g") * (count // 7) + ("a",) * (count % 7))
    assert len(found) == parts
    assert sorted(index for part in found for index in part) == list(range(count))


def test_every_class_is_dealt_evenly() -> None:
    classes = ("a",) * 35 + ("b", "c") * 40
    for part in dealt(classes):
        assert [sum(classes[index] == name for index in part) for name in "bc"] == [4, 4]


def test_near_duplicates_are_left_out_together() -> None:
    groups = [index // 3 for index in range(60)]
    for part in dealt(("a", "b") * 30, groups):
        assert all(3 * groups[index] + other in part for index in part for other in range(3))


def test_a_group_that_is_most_of_a_class_is_dealt_one_by_one() -> None:
    classes = ("a",) * 30 + ("b",) * 10
    for part in dealt(classes, [*range(30), *[30] * 10]):
        assert [classes[index] for index in part] == ["a", "a", "a", "b"]


def test_more_labels_leave_photos_in_their_parts() -> None:
    before = dealt(("a", "b") * (FROZEN_FROM // 2))
    after = dealt(("a", "b") * FROZEN_FROM)
    assert [set(part) <= set(more) for part, more in zip(before, after, strict=True)] == [True] * 5
    assert all(0.15 < len(part) / FROZEN_FROM < 0.25 for part in before)


def test_noise_is_answered_by_chance_and_what_differs_is_told_apart() -> None:
    apart = cross_validate(rows(0, "a", 30).joined(rows(1, "b", 30)))
    assert all(apart.right)
    noise = np.random.default_rng(5).normal(size=(100, SIZE)).astype(np.float32)
    same = Rows(noise, ("a", "b") * 50, tuple(f"{number:03}" for number in range(100)))
    assert 30 <= sum(cross_validate(same).right) <= 70


def test_copies_of_a_photo_say_nothing_about_each_other() -> None:
    """Of noise, every photo is there three times with the same label."""
    noise = np.random.default_rng(5).normal(size=(30, SIZE)).astype(np.float32)
    copies = Rows(
        np.repeat(noise, 3, axis=0),
        tuple(name for name in ("a", "b") * 15 for _ in range(3)),
        tuple(f"{number:03}" for number in range(90)),
    )
    assert 20 <= sum(cross_validate(copies).right) <= 70


def test_probabilities_and_energies_give_the_logits_of_heads_that_left_a_photo_out() -> None:
    taught = sorted_rows(rows(0, "a", 4).joined(rows(1, "b", 4)))
    problem = Problem(NO_CLASSES, taught, MEAN)
    found = cross_validated(problem, taught, lambda number, count: None)
    assert (found.images, found.labels, found.classes) == (
        taught.images,
        taught.classes,
        ("a", "b"),
    )
    assert found.probabilities.dtype == np.float16
    for row in range(8):
        head = problem.fit(np.delete(np.arange(8), row))
        logits = np.log(found.probabilities[row].astype(np.float32)) + found.energies[row]
        assert np.allclose(logits, head.logits(taught.embeddings[[row]])[0], atol=0.02)


def test_the_only_photo_of_a_class_cannot_be_answered_right() -> None:
    answers = cross_validate(rows(0, "a", 5).joined(rows(1, "b", 5)).joined(rows(2, "c", 1)))
    assert dict(zip(answers.labels, answers.answered, strict=True))["c"] in ("a", "b")
    alone = cross_validate(rows(0, "a", 1))
    assert (alone.answered, alone.right) == (("",), [False])


def test_wilsons_interval() -> None:
    # Wilson 1927; the figures are those of R's prop.test(correct=FALSE).
    assert interval_half_width(90, 100) == pytest.approx((0.9448 - 0.8256) / 2, abs=1e-4)
    assert interval_half_width(4, 4) == pytest.approx((1 - 0.5101) / 2, abs=1e-4)


def test_the_base_is_answered_for_by_its_own_cross_validation() -> None:
    taught = rows(0, "a", 3).joined(rows(1, "b", 3))
    base = Problem(NO_CLASSES, sorted_rows(taught), MEAN).fit(np.arange(6, dtype=np.int64))
    assert all(answers_of(base, taught).right)
    fair = fair_answers(base, Learned(NO_CLASSES, {"a000": "b"}), taught)
    assert [fair(image) for image in taught.images] == ["b", "a", "a", "b", "b", "b"]


def test_old_classes_are_those_that_the_base_knew() -> None:
    base = Head(NO_CLASSES.kernel, NO_CLASSES.bias, ("a", "b"))
    answers = Answers(
        ("1", "2", "3", "4"),
        ("a", "a", "b", "new"),
        ("a", "new", "b", "new"),
        np.ones(4, np.float32),
    )
    before = {"1": "b", "2": "a", "3": "b", "4": "a"}
    result = evaluate(answers, [answers], base, before.__getitem__)
    assert (result.images, result.accuracy, result.base_accuracy) == (4, 0.75, 0.5)
    assert result.old_images == 3
    assert result.old_accuracy == result.old_base_accuracy == pytest.approx(2 / 3)


def test_a_report_counts_confusions_and_lists_the_most_confident_mistakes_first() -> None:
    answers = Answers(
        ("1", "2", "3", "4", "5"),
        ("owl", "owl", "fox", "fox", "fox"),
        ("owl", "fox", "toaster", "fox", ""),
        np.array([0.9, 0.6, 0.7, 0.5, 0.0], np.float32),
    )
    made = report("cross-validation", answers, {"owl": 2, "fox": 3, "yak": 1})
    assert made.classes == ["fox", "owl", "yak", "toaster"]
    assert made.photos_per_class == [3, 2, 1, 0]
    assert made.confusion == [[1, 0, 0, 1], [1, 1, 0, 0], [0] * 4, [0] * 4]
    assert (made.photos, made.accuracy) == (5, 0.4)
    assert [(mistake.image, mistake.answered) for mistake in made.mistakes] == [
        ("3", "toaster"),
        ("2", "fox"),
        ("5", ""),
    ]


def test_a_report_lists_no_more_mistakes_than_people_look_at() -> None:
    count = MAX_MISTAKES + 1
    images = tuple(map(str, range(count)))
    answers = Answers(images, ("a",) * count, ("b",) * count, np.ones(count, np.float32))
    assert len(report("held-out photos", answers, {}).mistakes) == MAX_MISTAKES
