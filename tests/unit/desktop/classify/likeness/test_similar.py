"""Which photos are the most similar, and which are near-duplicates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from desktop.classify.likeness import similar
from desktop.classify.likeness.embedding_file import EmbeddingFile, Floats, unit
from desktop.classify.likeness.similar import StackFinder, nearest

SIZE = 64


def directions(number: int) -> Floats:
    """Return embeddings [number, SIZE] that are at right angles to each other."""
    return np.eye(SIZE, dtype=np.float32)[:number]


def turned(first: Floats, second: Floats, cosine: float) -> Floats:
    """Return the embedding [SIZE] in the plane of two whose cosine with the first is this."""
    return cosine * first + float(np.sqrt(1 - cosine**2)) * second


def test_the_most_similar_come_first_and_dead_rows_never(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = unit(rng.normal(size=(500, SIZE)).astype(np.float32))
    file = EmbeddingFile(tmp_path, SIZE)
    file.append(list(range(1, 501)), rows, list(range(500)))
    expected = [int(row) for row in np.argsort(-(rows @ rows[7])) if row != 7]
    found = nearest(file, 7, 20)
    assert [row for row, _ in found] == expected[:20]
    assert found[0][1] == pytest.approx(float(rows[7] @ rows[expected[0]]), abs=2e-3)
    best = expected[0]
    file.append([best + 1], -rows[7:8], [500])  # that photo has changed
    assert [row for row, _ in nearest(file, 7, 19)] == expected[1:20]
    file.close()


def test_a_photo_joins_the_most_similar_cover(tmp_path: Path) -> None:
    east, north, up = directions(3)
    file = EmbeddingFile(tmp_path, SIZE)
    finder = StackFinder(file)
    finder.add([1, 2], np.stack([east, north]))
    finder.add([3, 4], np.stack([turned(east, up, 0.9), turned(north, up, 0.8)]))
    assert [file.cover(row) for row in range(4)] == [0, 1, 0, 3]
    file.close()
    file = EmbeddingFile(tmp_path, SIZE)
    StackFinder(file).add([5], turned(north, up, 0.95)[None])
    assert file.cover(4) == 1, "also after the file was opened again"
    file.close()


def test_a_chain_of_photos_is_no_stack(tmp_path: Path) -> None:
    east, north = directions(2)
    step = 0.4  # radians; the cosine of two neighbours is 0.92
    chain = np.stack([np.cos(step * k) * east + np.sin(step * k) * north for k in range(4)])
    file = EmbeddingFile(tmp_path, SIZE)
    StackFinder(file).add([1, 2, 3, 4], chain.astype(np.float32))
    assert [file.cover(row) for row in range(4)] == [0, 0, 2, 2]
    file.close()


def test_a_full_stack_is_followed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar, "MAX_STACK", 3)
    file = EmbeddingFile(tmp_path, SIZE)
    finder = StackFinder(file)
    same = np.repeat(directions(1), 2, axis=0)
    for first in range(1, 40, 2):
        finder.add([first, first + 1], same)
    covers = [file.cover(row) for row in range(len(file))]
    assert sorted(set(covers)) == list(range(0, 40, 3))
    file.close()


def test_the_same_picture_again_takes_no_room(tmp_path: Path) -> None:
    east, north = directions(2)
    file = EmbeddingFile(tmp_path, SIZE)
    finder = StackFinder(file)
    finder.add([1], east[None])
    finder.add([1], turned(east, north, 0.99999)[None])
    assert len(file) == 1
    finder.add([1], north[None])
    assert (len(file), file.row(1)) == (2, 1)
    file.close()
