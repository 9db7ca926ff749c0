"""What a version keeps, and how labels take their place in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.training.features import FEATURES_PATH, Features, Rows
from backend.training.head import Head
from serving.errors import ModelError

FOUNDATION = Head(np.eye(2, dtype=np.float32), np.zeros(2, np.float32), ("cat", "dog"))


def rows(*named: tuple[str, str]) -> Rows:
    embeddings = np.arange(2 * len(named), dtype=np.float32).reshape(-1, 2)
    return Rows(embeddings, tuple(name for name, _ in named), tuple(image for _, image in named))


def labelled(name: str, count: int, start: int = 0) -> list[tuple[str, str]]:
    return [(name, f"{name}{number:061d}") for number in range(start, start + count)]


BEFORE = Features(rows(("cat", ""), ("dog", "")), rows(("dog", "")), FOUNDATION)


def test_relabeled_features_are_read_back(tmp_path: Path) -> None:
    images = labelled("owl", 2)
    after = BEFORE.relabeled(rows(*images), frozenset(image for _, image in images))
    classes = after.classes()
    assert classes == ("cat", "dog", "owl")
    after.write(tmp_path, classes)
    wider = Head(np.zeros((2, 3), np.float32), np.zeros(3, np.float32), classes)
    read = Features.read(tmp_path, wider)
    assert read.train.classes == after.train.classes
    assert read.train.images == after.train.images
    assert np.array_equal(read.train.embeddings, after.train.embeddings)
    assert read.held_out.classes == after.held_out.classes
    assert read.foundation.classes == FOUNDATION.classes
    assert np.array_equal(read.foundation.kernel, FOUNDATION.kernel)


def test_a_version_that_keeps_nothing_is_its_own_foundation(tmp_path: Path) -> None:
    read = Features.read(tmp_path, FOUNDATION)
    assert len(read.train) == len(read.held_out) == 0
    assert read.foundation is FOUNDATION


@pytest.mark.parametrize("content", [b"nonsense", b""])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FEATURES_PATH).parent.mkdir()
    (tmp_path / FEATURES_PATH).write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        Features.read(tmp_path, FOUNDATION)


def test_arrays_that_do_not_fit_the_head_are_named(tmp_path: Path) -> None:
    BEFORE.write(tmp_path, ("cat", "dog"))
    narrow = Head(np.zeros((5, 2), np.float32), np.zeros(2, np.float32), ("cat", "dog"))
    with pytest.raises(ModelError, match="cannot be read"):
        Features.read(tmp_path, narrow)


def test_a_fifth_of_each_class_is_held_out() -> None:
    images = labelled("owl", 12) + labelled("fox", 4)
    after = BEFORE.relabeled(rows(*images), frozenset(image for _, image in images))
    assert after.held_out.classes.count("owl") == 2
    assert after.held_out.classes.count("fox") == 0
    assert len(after.train) + len(after.held_out) == 3 + 16


def test_the_test_part_of_a_folder_is_never_learned_from() -> None:
    images = labelled("owl", 12)
    test_part = frozenset(image for _, image in images[4:])
    after = BEFORE.relabeled(rows(*images), frozenset(image for _, image in images), test_part)
    assert not test_part & set(after.train.images)
    assert test_part <= set(after.held_out.images)
    assert after.train.classes.count("owl") == 4


def test_no_image_changes_sides() -> None:
    few = labelled("owl", 10)
    first = BEFORE.relabeled(rows(*few), frozenset(image for _, image in few))
    many = labelled("owl", 40)
    second = first.relabeled(rows(*many), frozenset(image for _, image in many))
    held = {image for image in second.held_out.images if image}
    assert {image for image in first.held_out.images if image} <= held
    assert not held & set(first.train.images)
    assert len(held) == 8


def test_a_label_taken_back_leaves_and_its_class_with_it() -> None:
    images = labelled("owl", 6)
    decided = frozenset(image for _, image in images)
    taught = BEFORE.relabeled(rows(*images), decided)
    unlearned = taught.relabeled(rows(), decided)
    assert unlearned.classes() == ("cat", "dog")
    assert len(unlearned.train) == 2
    assert len(unlearned.held_out) == 1


def test_what_another_workspace_taught_stays() -> None:
    theirs = labelled("owl", 6)
    taught = BEFORE.relabeled(rows(*theirs), frozenset(image for _, image in theirs))
    mine = labelled("fox", 3)
    both = taught.relabeled(rows(*mine), frozenset(image for _, image in mine))
    assert both.classes() == ("cat", "dog", "owl", "fox")
