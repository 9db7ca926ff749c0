"""Files that somebody else reads are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.files import write_aside


def test_writes_text_and_bytes_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    write_aside(path, "första")
    assert path.read_text(encoding="utf-8") == "första"
    write_aside(path, b"second")
    assert path.read_bytes() == b"second"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.json"]


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    (path / "inside").touch()
    with pytest.raises(OSError, match=r"file"):
        write_aside(path, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
