"""Photos without labels teach where looks go with labels, and are left out elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.features import Integers, Rows
from backend.training.head import Floats, Head
from backend.training.pool_regression import MAX_LABELS_A_CLASS, PoolProblem
from backend.training.regression import Problem, sorted_rows
from backend.training.selection import choose, uses_pool

SIZE = 24
MEAN = np.full(SIZE, 0.3, np.float32)
NO_CLASSES = Head(np.zeros((2 * SIZE, 0), np.float32), np.zeros(0, np.float32), ())
OLD = Head(np.ones((2 * SIZE, 2), np.float32), np.zeros(2, np.float32), ("apple", "boat"))


def clouds(count: int, seed: int, noise: float = 0.35) -> tuple[Floats, Integers]:
    """Points [3 * count, SIZE] around three centres, and which is whose [3 * count]."""
    generator = np.random.default_rng(seed)
    truth = np.repeat(np.arange(3), count)
    points = 1 + generator.normal(0, noise, (3 * count, SIZE))
    points[np.arange(3 * count), truth] += 1
    return points.astype(np.float32), truth


def taught(points: Floats, truth: Integers) -> Rows:
    images = tuple(f"{number:05}" for number in range(len(points)))
    return sorted_rows(Rows(points, tuple(f"c{which}" for which in truth), images))


def share(head: Head, points: Floats, truth: Integers) -> float:
    return float(np.mean(head.logits(points).argmax(axis=1) == truth))


def quiet(number: int, count: int) -> None:
    """Ignore the progress."""


def test_photos_without_labels_make_few_labels_go_further() -> None:
    pool, _ = clouds(150, seed=1)
    unseen, truth = clouds(300, seed=2)
    plain, spread = [], []
    for seed in range(10, 15):
        rows = taught(*clouds(2, seed))
        every = np.arange(len(rows))
        plain.append(share(Problem(NO_CLASSES, rows, MEAN).fit(every), unseen, truth))
        spread.append(share(PoolProblem(NO_CLASSES, rows, pool).fit(every), unseen, truth))
    assert np.mean(spread) > np.mean(plain) + 0.03


def test_a_row_that_is_left_out_teaches_nothing() -> None:
    pool, _ = clouds(50, seed=1)
    rows = taught(*clouds(4, seed=3))
    kept = np.arange(0, 12, 2)
    far = rows.embeddings.copy()
    far[1::2] = np.roll(far[1::2], 3, axis=1)
    # The axes come from all rows, so that the heads differ by rounding alone.
    one = PoolProblem(NO_CLASSES, rows, pool).fit(kept)
    other = PoolProblem(NO_CLASSES, Rows(far, rows.classes, rows.images), pool).fit(kept)
    unseen, _ = clouds(20, seed=4)
    assert np.abs(one.logits(unseen) - other.logits(unseen)).max() < 0.5


def test_the_pool_is_used_where_it_helps() -> None:
    pool, _ = clouds(150, seed=1)
    chosen = choose(NO_CLASSES, taught(*clouds(5, seed=6)), MEAN, pool, quiet)
    assert chosen.pool == len(pool)
    assert isinstance(chosen.problem, PoolProblem)


def test_the_pool_is_left_out_where_neighbours_have_other_labels() -> None:
    """Six kinds of photos, and a little thing in all of them that decides the label."""
    generator = np.random.default_rng(8)

    def photos(count: int) -> tuple[Floats, Integers]:
        truth = np.arange(count) % 2
        points = generator.normal(0, 0.1, (count, SIZE))
        points[np.arange(count), generator.integers(0, 6, count)] += 1
        points[:, -1] = np.where(truth == 1, 0.2, -0.2)
        return points.astype(np.float32), truth

    pool, _ = photos(400)
    chosen = choose(NO_CLASSES, taught(*photos(40)), MEAN, pool, quiet)
    assert chosen.pool == 0
    assert isinstance(chosen.problem, Problem)


@pytest.mark.parametrize(
    ("foundation", "labels", "classes", "used"),
    [
        (NO_CLASSES, 4, 2, True),
        (NO_CLASSES, 2 * MAX_LABELS_A_CLASS + 1, 2, False),
        (NO_CLASSES, 4, 1, False),
        (OLD, 4, 2, False),
    ],
)
def test_when_a_pool_may_teach(foundation: Head, labels: int, classes: int, used: bool) -> None:
    assert uses_pool(foundation, labels, classes) is used


def test_the_judgement_is_that_of_what_was_chosen() -> None:
    pool, _ = clouds(50, seed=1)
    rows = taught(*clouds(5, seed=6))
    counts: list[tuple[int, int]] = []
    chosen = choose(NO_CLASSES, rows, MEAN, pool, lambda *numbers: counts.append(numbers))
    assert chosen.judged.images == rows.images
    assert [number for number, _ in counts] == list(range(1, len(counts) + 1))
    assert {count for _, count in counts} == {len(counts)}


def test_one_photo_and_one_class_can_be_learned() -> None:
    pool, _ = clouds(5, seed=1)
    points, truth = clouds(1, seed=2)
    one = choose(NO_CLASSES, taught(points[:1], truth[:1]), MEAN, pool, quiet)
    assert one.problem.fit(np.array([0])).classes == ("c0",)
    assert not one.judged.probabilities.any()


def test_photos_that_are_all_the_same_can_be_learned() -> None:
    same = np.ones((6, SIZE), np.float32)
    rows = taught(same, np.arange(6) % 2)
    chosen = choose(NO_CLASSES, rows, MEAN, same, quiet)
    scores = chosen.problem.fit(np.arange(6)).logits(same[:1])
    assert np.allclose(scores[0, 0], scores[0, 1], atol=0.01)


def test_the_order_of_labels_and_pool_changes_no_bit() -> None:
    pool, _ = clouds(50, seed=1)
    rows = taught(*clouds(4, seed=3))
    heads = []
    for order in (np.arange(12), np.arange(12)[::-1]):
        shuffled = Rows(
            rows.embeddings[order],
            tuple(rows.classes[index] for index in order),
            tuple(rows.images[index] for index in order),
        )
        chosen = choose(NO_CLASSES, sorted_rows(shuffled), MEAN, pool, quiet)
        heads.append(chosen.problem.fit(np.arange(12)))
    assert np.array_equal(heads[0].kernel, heads[1].kernel)
