"""What is said of a disk that refuses: running programs wait for it, commands have ended."""

from __future__ import annotations

from pathlib import Path

from serving.repair.folders import check_folders, check_space
from serving.repair.problem import find_problems
from serving.workspace import Workspace
from tests.support.small_disk import small_disk

PROGRAMS = "Programs that run go on by themselves then."
AGAIN = "If this command fails, run it again then."


def test_a_disk_that_refuses_is_over_for_programs_and_ends_commands(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2**21) as disk:
        workspace = Workspace(disk.folder / "workspace").create()
        assert not find_problems(workspace, (check_folders, check_space))
        disk.fill()
        (full,) = check_space(workspace)
        disk.make_room()
        with disk.read_only():
            (read_only,) = check_folders(workspace)
    for problem, advice in ((full, "Make room on it."), (read_only, "Make it writable.")):
        assert problem.text.endswith(f"{advice} {PROGRAMS}")
        assert problem.text_of_command.endswith(f"{advice} {AGAIN}")
