"""Embeddings on disk: what is kept, what a kill or a power cut may leave, and what is dropped."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from filelock import Timeout

from desktop.classify.likeness.embedding_file import (
    SHORT,
    EmbeddingFile,
    Floats,
    record_type,
    reduction,
    unit,
)

SIZE = 256


def embeddings(number: int, seed: int = 0) -> Floats:
    return unit(np.random.default_rng(seed).normal(size=(number, SIZE)).astype(np.float32))


def filled(folder: Path, rows: Floats) -> EmbeddingFile:
    file = EmbeddingFile(folder, SIZE)
    file.append([100 + row for row in range(len(rows))], rows, list(range(len(rows))))
    return file


def test_embeddings_are_there_after_the_file_was_closed(tmp_path: Path) -> None:
    rows = embeddings(5)
    filled(tmp_path, rows).close()
    file = EmbeddingFile(tmp_path, SIZE)
    assert len(file) == 5
    assert [file.row(100 + row) for row in range(5)] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(file.full(range(5)), rows, atol=1e-3)
    np.testing.assert_allclose(file.products(file.short(np.array([3])))[0, 3], 1, atol=1e-3)
    file.close()


def test_short_forms_are_alike_where_embeddings_are(tmp_path: Path) -> None:
    rows = embeddings(2)
    mixed = unit(rows[:1] * 0.9 + rows[1:] * 0.1)
    file = filled(tmp_path, np.concatenate([rows, mixed]))
    cosines = file.products(file.shorten(rows[:1]))[0]
    assert cosines[0] > cosines[2] > 0.9 > cosines[1] + 0.5
    file.close()


@pytest.mark.parametrize(("rows_cut", "index_cut"), [(7, 0), (0, 5), (2 * SIZE + 3, 0), (0, 1000)])
def test_what_a_kill_left_of_a_row_is_cut_off(
    tmp_path: Path, rows_cut: int, index_cut: int
) -> None:
    rows = embeddings(6)
    filled(tmp_path, rows).close()
    for pattern, cut in (("rows-*", rows_cut), ("index-*", index_cut)):
        [path] = tmp_path.glob(pattern)
        os.truncate(path, path.stat().st_size - cut)
    record = record_type(SHORT).itemsize
    left = min(6 - -(-rows_cut // (2 * SIZE)), 6 - -(-index_cut // record))
    file = EmbeddingFile(tmp_path, SIZE)
    assert len(file) == left
    file.append([900], rows[:1], [left])
    file.close()
    file = EmbeddingFile(tmp_path, SIZE)
    assert file.row(900) == left
    np.testing.assert_allclose(file.full([left]), rows[:1], atol=1e-3)
    file.close()


@pytest.mark.parametrize("pattern", ["rows-*", "index-*"])
def test_what_a_power_cut_left_empty_is_like_nothing(tmp_path: Path, pattern: str) -> None:
    filled(tmp_path, embeddings(6)).close()
    [path] = tmp_path.glob(pattern)
    data = bytearray(path.read_bytes())
    row = len(data) // 6
    data[2 * row : 4 * row] = bytes(2 * row)
    path.write_bytes(data)
    file = EmbeddingFile(tmp_path, SIZE)
    assert len(file) == 6
    full = file.full(range(6)) if pattern == "rows-*" else file.short(np.arange(6))
    assert np.linalg.norm(full, axis=1).round().tolist() == [1, 1, 0, 0, 1, 1]
    if pattern == "index-*":
        assert [file.key(row) for row in range(6)] == [100, 101, None, None, 104, 105]
    file.close()


def test_only_photos_to_be_kept_are_left_with_their_stacks(tmp_path: Path) -> None:
    rows = embeddings(6)
    file = EmbeddingFile(tmp_path, SIZE)
    file.append([1, 2, 3, 4, 5], rows[:5], [0, 0, 2, 2, 2])
    file.append([4], rows[5:], [2])  # photo 4 has changed
    assert file.key(3) is None
    file.keep({2, 4, 5}.__contains__)
    for _ in range(2):
        assert len(file) == 3
        assert [file.key(row) for row in range(3)] == [2, 5, 4]
        assert [file.cover(row) for row in range(3)] == [0, 1, 1]
        np.testing.assert_allclose(file.full([0, 1, 2]), rows[[1, 4, 5]], atol=1e-3)
        assert len(list(tmp_path.glob("rows-*"))) == 1
        file.close()
        file = EmbeddingFile(tmp_path, SIZE)
    file.close()


def test_a_kill_while_rows_are_dropped_leaves_them_all(tmp_path: Path) -> None:
    filled(tmp_path, embeddings(3)).close()
    (tmp_path / "rows-000002").write_bytes(b"half")
    (tmp_path / "index-000002.new").write_bytes(b"half")
    file = EmbeddingFile(tmp_path, SIZE)
    assert len(file) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".lock",
        "index-000001",
        "rows-000001",
    ]
    file.close()


def test_a_disk_that_refuses_has_added_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = embeddings(3)
    file = filled(tmp_path, rows)
    write, calls = os.write, []

    def refuse(descriptor: int, data: memoryview) -> int:
        calls.append(descriptor)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:100])

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(OSError, match="No space"):
        file.append([7], rows[:1], [3])
    monkeypatch.undo()
    assert (len(file), file.row(7)) == (3, None)
    file.append([8], rows[:1], [3])
    np.testing.assert_allclose(file.full([3]), rows[:1], atol=1e-3)
    file.close()


def test_one_program_at_a_time_has_the_file(tmp_path: Path) -> None:
    file = EmbeddingFile(tmp_path, SIZE)
    with pytest.raises(Timeout):
        EmbeddingFile(tmp_path, SIZE)
    file.close()
    EmbeddingFile(tmp_path, SIZE).close()


def test_short_forms_on_disk_fit_those_that_are_made_later() -> None:
    signs = reduction(1280)
    assert signs.shape == (1280, SHORT)
    assert signs[0, :8].tolist() == [1, -1, 1, 1, 1, 1, -1, 1]
