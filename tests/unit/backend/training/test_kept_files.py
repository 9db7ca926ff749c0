"""What training runs leave behind is bounded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.training import kept_files
from backend.training.kept_files import remove_old_embeddings, remove_old_run_folders


def test_folders_of_the_newest_runs_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_files, "MAX_RUN_FOLDERS", 2)
    runs = [f"20260101-00000{number}-ab12" for number in range(4)]
    unknown = "20260202-000000-ab12"
    other = ["embeddings", "uploads", "my notes", "20260101"]
    for name in (*runs, unknown, *other):
        (tmp_path / name).mkdir()
        (tmp_path / name / "worker.log").touch()
    removed = remove_old_run_folders(tmp_path, set(runs))
    assert {path.name for path in removed} == {runs[0], runs[1], unknown}
    assert {path.name for path in tmp_path.iterdir()} == {runs[2], runs[3], *other}
    assert remove_old_run_folders(tmp_path / "absent", set()) == []


def test_embeddings_that_were_used_last_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_files, "MAX_EMBEDDING_BYTES", 250)
    for age, name in enumerate(("new", "used", "old")):
        path = tmp_path / f"{name}.embeddings"
        path.write_bytes(b"x" * 100)
        os.utime(path, (1000 - age, 1000 - age))
    (tmp_path / "notes").write_bytes(b"x" * 1000)
    assert remove_old_embeddings(tmp_path) == [tmp_path / "old.embeddings"]
    assert remove_old_embeddings(tmp_path) == []
    assert (tmp_path / "notes").exists()
