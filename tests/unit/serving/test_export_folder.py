"""An exported folder is there whole, or not at all."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from serving.export_folder import ExportRefused, export_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from serving.export_folder import export_folder
with export_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def write_of_somebody_else(folder: Path) -> None:
    folder.mkdir()
    (folder / "mine").write_text("mine")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_written_is_there_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "new" / "target"
    with export_folder(target) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a.txt").write_text("a")
        assert not target.exists()
    assert (target / "sub" / "a.txt").read_text() == "a"
    assert names(target.parent) == ["target"]


def test_nothing_is_there_if_the_block_raises(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "a").write_text("a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), export_folder(tmp_path / "target") as folder:
        fail(folder)
    assert names(tmp_path) == []


def test_what_comes_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with pytest.raises(ExportRefused, match="something in the folder"), export_folder(target):
        write_of_somebody_else(target)
    assert names(target) == ["mine"]
    assert names(tmp_path) == ["target"]


def test_what_a_killed_export_left_is_removed_by_the_next(tmp_path: Path) -> None:
    target = tmp_path / "target"
    subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    (left,) = names(tmp_path)
    assert left.startswith(".target.")
    with export_folder(target) as folder:
        (folder / "whole").write_text("whole")
    assert names(tmp_path) == ["target"]
    assert names(target) == ["whole"]


def test_others_get_what_the_umask_and_the_folder_around_allow(tmp_path: Path) -> None:
    os.umask(0o022)
    for mode, folder_mode, file_mode in ((0o755, 0o755, 0o644), (0o700, 0o700, 0o600)):
        around = tmp_path / f"{mode:o}"
        around.mkdir()
        around.chmod(mode)
        with export_folder(around / "target") as folder:
            (folder / "a").write_text("a")
        target = around / "target"
        assert stat.S_IMODE(target.stat().st_mode) == folder_mode
        assert stat.S_IMODE((target / "a").stat().st_mode) == file_mode


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(ExportRefused, match="the disk is full"),
        export_folder(tmp_path / "target"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []
