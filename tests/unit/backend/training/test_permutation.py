"""Labels that fit photos are told from shuffled ones, and shuffled ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.features import Rows
from backend.training.permutation import (
    MAX_CLASSES,
    MAX_PHOTOS,
    permute_labels,
    permute_members,
)


def rows(classes: list[str], seed: int = 0, apart: float = 1.0) -> Rows:
    """Photos around one point a class, `apart` from the others beside a spread of 1."""
    generator = np.random.default_rng(seed)
    centres = {name: generator.standard_normal(32) for name in sorted(set(classes))}
    points = [apart * centres[name] + generator.standard_normal(32) for name in classes]
    return Rows(
        np.array(points, np.float32), tuple(classes), tuple(f"{n:064x}" for n in range(len(points)))
    )


NAMES = ["cat", "dog", "fox"] * 12


def test_labels_that_fit_are_better_than_every_shuffle() -> None:
    found = permute_labels(rows(NAMES))
    assert found.p == pytest.approx(0.001)
    assert found.recall > found.shuffled + 0.2
    assert found.shuffled == pytest.approx(1 / 3, abs=0.03)
    assert set(found.class_p) == {"cat", "dog", "fox"}
    assert max(found.class_p.values()) < 0.01


def test_p_values_of_shuffled_labels_are_spread_evenly() -> None:
    generator = np.random.default_rng(7)
    values = []
    for seed in range(60):
        good = rows(NAMES, seed)
        shuffled = tuple(generator.permutation(good.classes))
        values.append(permute_labels(Rows(good.embeddings, shuffled, good.images)).p)
    # A test that is too easy to pass has too many small ones, one that is too hard too few.
    below = [np.mean(np.array(values) <= level) for level in (0.2, 0.5, 0.8)]
    assert below == pytest.approx([0.2, 0.5, 0.8], abs=0.17)


def test_one_class_of_random_photos_is_found_out_among_good_ones() -> None:
    good = rows(["cat"] * 20 + ["dog"] * 20 + ["fox"] * 20)
    others = rows(["cat", "dog", "fox"] * 7, seed=0)
    mixed = Rows(
        np.concatenate([good.embeddings, others.embeddings]),
        good.classes + ("odd",) * len(others),
        good.images + tuple(f"{n:064x}" for n in range(100, 100 + len(others))),
    )
    found = permute_labels(mixed)
    assert found.class_p["odd"] > 0.3
    assert max(found.class_p[name] for name in ("cat", "dog", "fox")) < 0.01


def test_the_same_photos_give_the_same_answer() -> None:
    assert permute_labels(rows(NAMES, apart=0.2)) == permute_labels(rows(NAMES, apart=0.2))


def test_many_photos_and_classes_are_sampled() -> None:
    many = [f"class {number}" for number in range(MAX_CLASSES + 10)] * 20
    found = permute_labels(rows(many))
    assert found.photos <= MAX_PHOTOS
    assert len(found.class_p) == MAX_CLASSES


def test_photos_that_are_all_the_same_say_nothing() -> None:
    same = Rows(np.ones((8, 4), np.float32), ("cat", "dog") * 4, tuple(map(str, range(8))))
    assert permute_labels(same).p == 1.0


@pytest.mark.parametrize("is_class", [True, False])
def test_a_group_is_more_alike_than_photos_at_random(is_class: bool) -> None:
    photos = rows(["cat"] * 10 + ["dog"] * 20 + ["fox"] * 20)
    members = np.zeros(50, bool)
    members[:10] = True
    if not is_class:
        members = np.random.default_rng(3).permutation(members)
    assert (permute_members(photos.embeddings, members) < 0.01) == is_class
