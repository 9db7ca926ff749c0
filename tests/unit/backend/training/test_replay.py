"""What stands in for photos of old classes is computed once, and photos are placed beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.training import replay as module
from backend.training.head import Floats, Head, unit
from backend.training.replay import replay_of

SIZE = 12
CLASSES = tuple(f"c{number}" for number in range(5))


def foundation(seed: int = 0) -> Head:
    kernel = np.random.default_rng(seed).normal(size=(SIZE, len(CLASSES))).astype(np.float32)
    none = np.zeros_like(kernel)
    return Head(np.concatenate([kernel, none]), np.zeros(len(CLASSES), np.float32), CLASSES)


MEAN = np.full(SIZE, 0.5, np.float32)


def photos(count: int) -> Floats:
    made = np.random.default_rng(count).normal(size=(count, SIZE)).astype(np.float32)
    return unit(made)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_photos_and_prototypes_are_where_they_were(count: int) -> None:
    replay = replay_of(foundation(), MEAN)
    points = photos(count)
    axes, coordinates = replay.with_points(points)
    together = np.concatenate([points, replay.typical])
    assert coordinates.shape == (len(together), len(axes.spread))
    assert np.allclose(axes.directions.T @ axes.directions, np.eye(len(axes.spread)), atol=1e-5)
    assert np.allclose(coordinates @ axes.directions.T, together, atol=1e-3)
    assert np.allclose(np.square(coordinates).mean(axis=0), axes.spread, rtol=1e-3)


def test_it_is_computed_once_for_a_foundation_and_a_mean() -> None:
    assert replay_of(foundation(), MEAN) is replay_of(foundation(), MEAN.copy())
    assert replay_of(foundation(1), MEAN) is not replay_of(foundation(), MEAN)
    other = replay_of(foundation(), 2 * MEAN)
    assert not np.array_equal(other.points, replay_of(foundation(), MEAN).points)


def test_prototypes_are_answered_with_their_classes() -> None:
    replay = replay_of(foundation(), MEAN)
    assert replay.typical.shape == (len(CLASSES), SIZE)
    assert replay.logits.argmax(axis=1).tolist() == list(range(len(CLASSES)))
    assert np.allclose(replay.best[: len(CLASSES)], replay.logits.max(axis=1))


def test_another_process_reads_what_one_has_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more than two the oldest go, and what is damaged is computed again."""
    computed = replay_of(foundation(7), MEAN, tmp_path)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()

    def again() -> module.Replay:
        module._kept.clear()
        return replay_of(foundation(7), MEAN, tmp_path)

    with monkeypatch.context() as patch:
        patch.delattr(module, "prototypes")  # nothing is computed
        read = again()
    points = photos(3)
    for (axes, found), (axes_before, before) in [
        (read.with_points(points), computed.with_points(points))
    ]:
        assert np.array_equal(found, before)
        assert np.array_equal(axes.directions, axes_before.directions)
    assert (read.spread, read.varied) == (computed.spread, computed.varied)
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    for damaged in (b"", content[:middle], flipped, b"no numbers"):
        file.write_bytes(damaged)
        assert np.array_equal(again().points, computed.points)
        assert file.read_bytes() == content
    for seed in (8, 9):
        replay_of(foundation(seed), MEAN, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert not file.exists()
