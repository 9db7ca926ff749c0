"""Photos that show nearly the same are grouped, whatever their order."""

from __future__ import annotations

import numpy as np

from backend.training.features import Integers
from backend.training.head import Floats
from backend.training.near_duplicates import group_near_duplicates
from serving.near_duplicate import NEAR_DUPLICATE


def _partition(groups: Integers, names: Integers) -> set[frozenset[int]]:
    return {frozenset(names[groups == group].tolist()) for group in np.unique(groups)}


def _bursts(rng: np.random.Generator, bursts: int, shots: int) -> Floats:
    """Embeddings of bursts, the shots of one next to each other, each with its own noise."""
    scenes = rng.normal(size=(bursts, 1, 64))
    return (scenes + 0.2 * rng.normal(size=(bursts, shots, 64))).reshape(-1, 64).astype(np.float32)


def test_shots_of_a_burst_are_one_group_and_scenes_are_not() -> None:
    groups = group_near_duplicates(_bursts(np.random.default_rng(1), bursts=5, shots=4))
    assert groups.tolist() == np.repeat(np.arange(5), 4).tolist()


def test_the_partition_does_not_depend_on_the_order() -> None:
    # More than one block of rows, so that groups are joined across blocks.
    rng = np.random.default_rng(2)
    embeddings = _bursts(rng, bursts=800, shots=3)
    names = np.arange(len(embeddings))
    before = _partition(group_near_duplicates(embeddings), names)
    order = rng.permutation(len(embeddings))
    assert _partition(group_near_duplicates(embeddings[order]), order) == before
    assert len(before) == 800


def test_a_later_photo_joins_two_groups() -> None:
    # Each of the outer two is near the one between them, and not near the other.
    angle = 0.9 * np.arccos(NEAR_DUPLICATE)
    first, between, last = (np.array([np.cos(k * angle), np.sin(k * angle)]) for k in range(3))
    alone = np.array([0.0, -1.0])
    groups = group_near_duplicates(np.stack([first, last, alone, between]).astype(np.float32))
    assert groups.tolist() == [0, 0, 1, 0]


def test_how_long_an_embedding_is_does_not_matter() -> None:
    row = np.array([3.0, 4.0], np.float32)
    assert group_near_duplicates(np.stack([row, 100 * row, -row])).tolist() == [0, 0, 1]


def test_nothing_and_empty_photos() -> None:
    assert group_near_duplicates(np.zeros((0, 8), np.float32)).shape == (0,)
    assert group_near_duplicates(np.zeros((2, 8), np.float32)).tolist() == [0, 1]
