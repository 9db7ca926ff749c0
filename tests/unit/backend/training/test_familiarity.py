"""What is familiar is learned from labelled photos, and its threshold from those left out."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.evaluation import stratified_folds
from backend.training.familiarity import Familiar, learn_familiarity
from backend.training.features import Rows
from backend.training.head import Floats
from serving.models.familiarity import Familiarity

SIZE = 64
CENTRES = np.random.default_rng(1).random((8, SIZE)).astype(np.float32)
"""Of eight classes; photos of one differ from each other less than from those of others."""


def photos(number: int, count: int, seed: int = 0) -> Floats:
    """Return embeddings [count, SIZE] of a class."""
    noise = np.random.default_rng((number, seed)).normal(0, 0.15, (count, SIZE))
    found: Floats = np.maximum(CENTRES[number] + noise, 0).astype(np.float32)
    return found


def learned(
    classes: int, count: int, *, none: Floats | None = None, score: float = 0.9
) -> Familiar | None:
    embeddings = np.concatenate([photos(number, count) for number in range(classes)])
    truth = np.repeat(np.arange(classes), count)
    images = tuple(f"{index:04}" for index in range(len(truth)))
    rows = Rows(embeddings, tuple(map(str, truth)), images)
    return learn_familiarity(
        embeddings,
        truth,
        np.full(len(truth), score, np.float32),
        stratified_folds(rows, np.arange(len(truth))),
        np.zeros((0, SIZE), np.float32) if none is None else none,
        np.full(0 if none is None else len(none), score, np.float32),
        scores_count=classes > 1,
    )


def marked(found: Familiar, embeddings: Floats, classes: int) -> float:
    """Return the share of photos under the threshold; all scores are the same."""
    logits = np.zeros((len(embeddings), classes), np.float32)
    logits[:, 0] = np.log(0.9 / 0.1 * (classes - 1)) if classes > 1 else 0
    return float((Familiarity(taught=found.classes).of(embeddings, logits) < 0.5).mean())


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("count", [10, 60])
def test_other_classes_are_marked_and_new_photos_of_the_taught_are_not(
    classes: int, count: int
) -> None:
    found = learned(classes, count)
    assert found is not None
    assert (found.photos, found.none_marked) == (classes * count, None)
    assert found.marked <= 0.1
    same = np.concatenate([photos(number, 200, seed=1) for number in range(classes)])
    assert marked(found, same, classes) <= 0.1
    others = np.concatenate([photos(number, 200) for number in range(classes, 8)])
    assert marked(found, others, classes) >= 0.85


def test_too_few_photos_teach_nothing() -> None:
    assert learned(3, 1) is None
    assert learned(1, 3) is None


def test_photos_of_no_class_sharpen_it() -> None:
    """A class between the taught ones is told apart once some photos of it are known."""
    between = photos(0, 200, seed=5) * np.float32(0.75) + CENTRES[7] * np.float32(0.25)
    found = learned(2, 60)
    told = learned(2, 60, none=between[:20])
    assert found is not None
    assert told is not None
    assert marked(told, between[20:], 2) > marked(found, between[20:], 2) + 0.1
    assert told.none_marked is not None
    assert told.none_marked > 0.9
    assert marked(told, photos(0, 200, seed=1), 2) <= 0.1
    few = learned(2, 60, none=between[:4])
    assert few is not None
    assert few.none_marked is None


def test_the_order_of_photos_of_no_class_does_not_matter() -> None:
    others = photos(7, 30)
    one, other = learned(2, 30, none=others), learned(2, 30, none=others[::-1].copy())
    assert one is not None
    assert other is not None
    probe = photos(5, 10)
    logits = np.zeros((10, 2), np.float32)
    np.testing.assert_allclose(
        Familiarity(taught=one.classes).of(probe, logits),
        Familiarity(taught=other.classes).of(probe, logits),
        atol=1e-3,
    )
