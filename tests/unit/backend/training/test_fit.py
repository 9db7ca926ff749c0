"""A head learns a new class from a few rows and keeps the old ones."""

from __future__ import annotations

import numpy as np

from backend.training.features import Rows
from backend.training.fit import fit_head
from backend.training.head import Floats, Head

SIZE = 16
CENTRES = np.eye(4, SIZE, dtype=np.float32) * 3


def cloud(which: int, count: int, seed: int) -> Floats:
    noise = np.random.default_rng(seed).normal(0, 0.5, (count, SIZE))
    points: Floats = (CENTRES[which] + noise).astype(np.float32)
    return points


def rows(which: int, name: str, count: int, *, image: str = "", seed: int = 1) -> Rows:
    images = tuple(f"{image}{number}" if image else "" for number in range(count))
    return Rows(cloud(which, count, seed), (name,) * count, images)


FOUNDATION = Head(CENTRES[:3].T.copy(), np.zeros(3, np.float32), ("a", "b", "c"))
OLD = rows(0, "a", 60).joined(rows(1, "b", 60)).joined(rows(2, "c", 60))


def share(head: Head, which: int, name: str) -> float:
    answers = head.logits(cloud(which, 200, seed=9)).argmax(axis=1)
    return float(np.mean(answers == head.classes.index(name)))


def test_a_dozen_rows_teach_a_class_and_cost_the_old_ones_nothing() -> None:
    taught = OLD.joined(rows(3, "new", 12, image="i"))
    head = fit_head(FOUNDATION, taught, ("a", "b", "c", "new"))
    assert share(head, 3, "new") > 0.95
    for which, name in enumerate("abc"):
        assert share(head, which, name) > 0.95


def test_many_rows_of_one_class_do_not_crowd_out_the_others() -> None:
    taught = OLD.joined(rows(3, "new", 2000, image="i"))
    head = fit_head(FOUNDATION, taught, ("a", "b", "c", "new"))
    assert share(head, 0, "a") > 0.95


def test_corrections_move_what_was_wrong() -> None:
    corrected = OLD.joined(rows(3, "a", 12, image="i"))
    before = share(FOUNDATION, 3, "a")
    assert share(fit_head(FOUNDATION, corrected, ("a", "b", "c")), 3, "a") > max(0.9, before)


def test_the_same_rows_give_the_same_head() -> None:
    heads = [fit_head(FOUNDATION, OLD, ("a", "b", "c")) for _ in range(2)]
    assert np.array_equal(heads[0].kernel, heads[1].kernel)
    assert heads[0].kernel.dtype == np.float32


def test_without_rows_the_foundation_stays() -> None:
    head = fit_head(FOUNDATION, OLD.where([False] * len(OLD)), ("a", "b", "c"))
    assert np.array_equal(head.kernel, FOUNDATION.kernel)
