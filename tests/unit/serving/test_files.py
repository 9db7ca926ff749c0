"""Files that somebody else reads are whole or not there."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from serving.files import copy_tree, write_aside
from tests.support.small_disk import small_disk


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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files of half a megabyte together."""
    folder = tmp_path / "folder"
    (folder / "inside").mkdir(parents=True)
    for number in range(4):
        (folder / "inside" / str(number)).write_bytes(bytes(2**17))
    return folder


def test_a_folder_that_a_full_disk_has_no_room_for_says_so(folder: Path, tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", 2**18) as disk,
        pytest.raises(OSError, match="No space left") as caught,
    ):
        copy_tree(folder, disk.folder / "copy")
    assert caught.value.errno == errno.ENOSPC
    assert str(caught.value.filename).startswith(str(tmp_path / "disk"))


def test_a_folder_that_a_read_only_disk_refuses_says_so(folder: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2**20) as disk:
        copy = disk.folder / "copy"
        (copy / "inside").mkdir(parents=True)
        with disk.read_only(), pytest.raises(OSError, match="Read-only") as caught:
            copy_tree(folder, copy, may_exist=True)
    assert caught.value.errno == errno.EROFS


def test_a_folder_with_a_link_to_nothing_says_so(folder: Path, tmp_path: Path) -> None:
    (folder / "inside" / "link").symlink_to("nowhere")
    with pytest.raises(OSError, match="No such file") as caught:
        copy_tree(folder, tmp_path / "copy")
    assert caught.value.errno == errno.ENOENT
    assert str(caught.value.filename).endswith("link")
    assert len(list((tmp_path / "copy" / "inside").iterdir())) == 4
