"""What a version stores of how it was taught can be read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.training.head import Head
from backend.training.learned import LEARNED_PATH, CrossValidated, Learned
from serving.errors import ModelError


def head(classes: tuple[str, ...]) -> Head:
    kernel = np.random.default_rng(1).normal(size=(6, len(classes))).astype(np.float32)
    return Head(kernel, np.arange(len(classes), dtype=np.float32), classes)


FOUNDATION = head(("cat", "Bär"))
FOUNDATION.kernel[3:, 0] = 0


def taught() -> Head:
    kernel = np.concatenate([FOUNDATION.kernel, np.ones((6, 1), np.float32)], axis=1)
    kernel[3:] += 7
    return Head(kernel, np.ones(3, np.float32), (*FOUNDATION.classes, "owl"))


def test_the_foundation_is_found_again_below_what_was_taught(tmp_path: Path) -> None:
    Learned(FOUNDATION, {"a" * 64: "Bär", "b" * 64: ""}).write(tmp_path)
    read = Learned.read(tmp_path, taught())
    assert np.array_equal(read.foundation.kernel, FOUNDATION.kernel)
    assert np.array_equal(read.foundation.bias, FOUNDATION.bias)
    assert read.foundation.classes == FOUNDATION.classes
    assert read.answers == {"a" * 64: "Bär", "b" * 64: ""}


@pytest.mark.parametrize("classes", [(), ("cat",)])
def test_a_version_that_was_never_taught_is_its_own_foundation(
    tmp_path: Path, classes: tuple[str, ...]
) -> None:
    untaught = head(classes)
    assert Learned.read(tmp_path, untaught).foundation is untaught
    Learned(untaught).write(tmp_path)
    read = Learned.read(tmp_path, untaught)
    assert np.array_equal(read.foundation.kernel, untaught.kernel)
    assert (read.foundation.classes, read.answers) == (classes, {})


def test_a_file_that_is_damaged_or_of_another_head_is_named(tmp_path: Path) -> None:
    Learned(FOUNDATION).write(tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        Learned.read(tmp_path, head(("dog", "Bär", "owl")))
    (tmp_path / LEARNED_PATH).write_bytes(b"PK nonsense")
    with pytest.raises(ModelError, match="cannot be read"):
        Learned.read(tmp_path, taught())


def test_cross_validated_probabilities_are_kept(tmp_path: Path) -> None:
    found = CrossValidated(
        images=("a" * 64, "b" * 64),
        labels=("owl", "cat"),
        classes=taught().classes,
        probabilities=np.array([[0.25, 0.25, 0.5], [0, 0, 0]], np.float16),
        energies=np.array([3.5, 0], np.float32),
    )
    assert Learned.read(tmp_path, taught()).cross_validated is None
    Learned(FOUNDATION, cross_validated=found).write(tmp_path)
    read = Learned.read(tmp_path, taught()).cross_validated
    assert read is not None
    assert (read.images, read.labels, read.classes) == (found.images, found.labels, found.classes)
    assert np.array_equal(read.probabilities, found.probabilities)
    assert read.probabilities.dtype == np.float16
    assert np.array_equal(read.energies, found.energies)


def test_probabilities_of_other_photos_are_damage(tmp_path: Path) -> None:
    found = CrossValidated(
        ("a" * 64,), ("owl",), taught().classes, np.ones((2, 3), np.float16), np.ones(2, np.float32)
    )
    Learned(FOUNDATION, cross_validated=found).write(tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        Learned.read(tmp_path, taught())
