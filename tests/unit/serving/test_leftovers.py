"""What ended programs left is removed; what is being written, and what people put there, stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serving.files import write_aside
from serving.leftovers import (
    ABANDONED_SECONDS,
    TEMPORARY_SECONDS,
    is_left_over,
    sweep,
    sweep_temporary,
    temporary_folder,
    writer_tag,
)
from serving.models.staging import staging_name
from serving.programs import child_environment


def tag_of_an_ended_program() -> str:
    program = "from serving.leftovers import writer_tag; print(writer_tag())"
    command = [sys.executable, "-c", program]
    return subprocess.check_output(command, text=True, env=child_environment()).strip()


def make_old(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    for each in (path, *path.rglob("*")):
        os.utime(each, (moment, moment), follow_symlinks=False)


def test_only_what_ended_programs_wrote_is_removed(tmp_path: Path) -> None:
    ended = tag_of_an_ended_program()
    left = [f".served.json.{ended}", f".staging-{ended}", f".seen-{ended}"]
    running = [f".served.json.{writer_tag()}", staging_name(), f".seen-{writer_tag()}"]
    personal = [".notes.txt", ".git", ".staging-area", f"served.json.{ended}", ".a.1234-x-y", "1"]
    for name in (*left, *running, *personal):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "half").write_bytes(b"written")
    make_old(tmp_path, 100 * ABANDONED_SECONDS)
    assert {path.name for path in sweep([tmp_path, tmp_path / "absent"])} == set(left)
    assert {path.name for path in tmp_path.iterdir()} == {*running, *personal}


def test_the_number_of_an_ended_process_that_another_one_has_counts_for_nothing(
    tmp_path: Path,
) -> None:
    """This process, under the identity of another."""
    _, identity, rest = tag_of_an_ended_program().split("-")
    assert is_left_over(tmp_path / f".served.json.{os.getpid()}-{identity}-{rest}")
    # The form of the version before, which has the number alone.
    former = tmp_path / f".staging-{os.getpid()}-0123456789ab"
    former.mkdir()
    assert not is_left_over(former)
    make_old(former, 10 * 365 * 24 * 3600.0)
    assert is_left_over(former)


@pytest.mark.parametrize(
    "name",
    [".serving.config.0a1b2c3d", f".{'0' * 64}.jpg.0a1b2c3d", ".instance-0a1b2c.json.0a1b2c3d"],
)
def test_files_of_the_version_before_are_removed_once_they_are_old(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"half")
    assert not is_left_over(path)
    make_old(path, 2 * ABANDONED_SECONDS)
    assert is_left_over(path)
    other = tmp_path / ".my.diary.0a1b2c3d"
    other.touch()
    make_old(other, 2 * ABANDONED_SECONDS)
    assert not is_left_over(other)


def test_folders_for_temporary_files_are_removed_after_a_kill(tmp_path: Path) -> None:
    program = (
        "import os, serving.leftovers as l; "
        "folder = l.temporary_folder('image'); "
        "print(folder.name, flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", program]
    environment = child_environment(TMPDIR=str(tmp_path))
    killed = subprocess.run(command, text=True, stdout=subprocess.PIPE, env=environment)
    left = Path(killed.stdout.strip())
    assert left.parent == tmp_path
    assert left.is_dir()
    old = tmp_path / "servery-openvino-abcd_123"
    personal = [tmp_path / "servery-backup-of-mine", tmp_path / "servery-image-notes.txt"]
    for folder in (old, *personal):
        folder.mkdir()
        make_old(folder, 2 * TEMPORARY_SECONDS)
    link = tmp_path / f"servery-image-{tag_of_an_ended_program()}-x"
    link.symlink_to(personal[0])
    with temporary_folder("image") as mine:
        assert set(sweep_temporary(tmp_path)) == {left, old}
        assert Path(mine).is_dir()
    assert {*tmp_path.iterdir()} == {*personal, link}


def test_a_writer_that_is_killed_leaves_the_old_content_and_a_leftover(tmp_path: Path) -> None:
    path = tmp_path / "served.json"
    write_aside(path, "old")
    program = (
        "import os, sys; from pathlib import Path; from serving import files; "
        "os.fsync = lambda descriptor: os.kill(os.getpid(), 9); "
        "files.write_aside(Path(sys.argv[1]), 'new')"
    )
    command = [sys.executable, "-c", program, str(path)]
    assert subprocess.run(command, env=child_environment()).returncode == -9
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    assert len(sweep([tmp_path])) == 1
    assert list(tmp_path.iterdir()) == [path]
