"""A class renamed, merged or deleted in a head and in what a version stores of its training."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.class_edit import (
    ClassEdit,
    edited_head,
    edited_learned,
)
from backend.training.head import Floats, Head, softmax
from backend.training.learned import CrossValidated, Learned
from backend.training.prototypes import prototypes

SIZE = 16
CLASSES = ("ant", "bee", "cat", "dog")
RENAME, MERGE, DELETE = ClassEdit("bee", "wasp"), ClassEdit("bee", "cat"), ClassEdit("bee", "")
EDITS = [RENAME, MERGE, DELETE]


def photos(count: int, seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(1, 1, (count, SIZE)).astype(np.float32)


def head(kept: int = 0) -> Head:
    """A head whose first `kept` classes read plain embeddings too, as a foundation's do."""
    random = np.random.default_rng(0)
    kernel = random.normal(0, 4, (2 * SIZE, len(CLASSES))).astype(np.float32)
    kernel[:SIZE] = 0
    kernel[:SIZE, :kept] = random.normal(0, 0.2, (SIZE, kept))
    return Head(kernel, random.normal(0, 1, len(CLASSES)).astype(np.float32), CLASSES)


def test_a_renamed_class_has_the_same_scores() -> None:
    before = head()
    after = edited_head(before, RENAME, frozenset(), None)
    assert after.classes == ("ant", "wasp", "cat", "dog")
    assert np.array_equal(after.logits(photos(9)), before.logits(photos(9)))


def test_a_deleted_class_leaves_its_share_to_the_others() -> None:
    before, rows = head(), photos(9)
    after = edited_head(before, DELETE, frozenset(), None)
    assert after.classes == ("ant", "cat", "dog")
    rest = softmax(before.logits(rows))[:, [0, 2, 3]]
    expected = rest / rest.sum(axis=1, keepdims=True)
    assert np.allclose(softmax(after.logits(rows)), expected, atol=1e-5)


@pytest.mark.parametrize("known", [0, 100, 600])
def test_a_merged_class_is_answered_where_either_was(known: int) -> None:
    before, rows = head(), photos(400, seed=2)
    after = edited_head(before, MERGE, frozenset(), photos(known) if known else None)
    assert after.classes == ("ant", "cat", "dog")
    scores = softmax(before.logits(rows))
    exact = np.stack([scores[:, 0], scores[:, 1] + scores[:, 2], scores[:, 3]], axis=1)
    agreed = (softmax(after.logits(rows)).argmax(axis=1) == exact.argmax(axis=1)).mean()
    # With known photos the new column is fitted to them.
    assert agreed > (0.9 if known else 0.7)


@pytest.mark.parametrize("kept", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("edit", EDITS)
def test_what_was_learned_still_fits_the_head(edit: ClassEdit, kept: int) -> None:
    before = head(kept)
    kernel = before.kernel[:, :kept].copy()
    kernel[SIZE:] = 0
    foundation = Head(kernel, before.bias[:kept], CLASSES[:kept])
    found = CrossValidated(
        ("a", "b", "c"),
        ("ant", "bee", "cat"),
        CLASSES,
        softmax(before.logits(photos(3))).astype(np.float16),
        np.ones(3, np.float32),
    )
    learned = Learned(foundation, {"a": "ant", "b": "bee", "c": "cat"}, found)
    after = edited_head(before, edit, frozenset(foundation.classes), photos(300))
    result = edited_learned(learned, edit, after)
    count = len(result.foundation.classes)
    assert after.classes[:count] == result.foundation.classes
    # `Learned.read` takes this part from the head.
    assert np.array_equal(result.foundation.kernel[:SIZE], after.kernel[:SIZE, :count])
    assert set(result.answers.values()) <= set(after.classes)
    checked = result.cross_validated
    assert checked is not None
    assert checked.classes == after.classes
    assert set(checked.labels) <= set(after.classes)
    assert len(checked.images) == len(checked.labels) == (2 if edit is DELETE else 3)
    assert np.allclose(checked.probabilities.astype(float).sum(axis=1), 1, atol=1e-2)


def test_what_the_foundation_knows_of_a_class_stays_if_it_is_merged_into_a_taught_one() -> None:
    before = head(kept=2)
    foundation = Head(before.kernel[:, :2], before.bias[:2], CLASSES[:2])
    after = edited_head(before, MERGE, frozenset(foundation.classes), photos(300))
    # "bee" is of the foundation and "cat" was taught.
    assert after.classes == ("ant", "cat", "dog")
    result = edited_learned(Learned(foundation), MERGE, after)
    assert result.foundation.classes == ("ant", "cat")
    assert np.array_equal(result.foundation.kernel[:SIZE, 1], before.kernel[:SIZE, 1])


def test_classes_that_have_nothing_in_common_are_merged_by_what_typical_photos_look_like() -> None:
    random = np.random.default_rng(3)
    size, count = 64, 60
    kernel = np.zeros((2 * size, count), np.float32)
    kernel[:size] = random.normal(0, 1, (size, count))
    names = tuple(f"class {number}" for number in range(count))
    before = Head(kernel, np.zeros(count, np.float32), names)
    mean = random.uniform(0.3, 0.7, size).astype(np.float32)
    typical = prototypes(before, mean).embeddings[:count]
    seen = np.maximum(typical + random.normal(0, 0.05, typical.shape), 0).astype(np.float32)

    def right(points: Floats | None) -> float:
        shares = []
        for number in range(0, 20, 2):
            edit = ClassEdit(names[number], names[number + 1])
            after = edited_head(before, edit, frozenset(names), points)
            answers = [after.classes[best] for best in after.logits(seen).argmax(axis=1)]
            expected = [edit.new_name if name == edit.name else name for name in names]
            shares.append(np.mean([answers[at] == expected[at] for at in (number, number + 1)]))
        return float(np.mean(shares))

    assert right(typical) > 0.9
    assert right(None) < 0.5
