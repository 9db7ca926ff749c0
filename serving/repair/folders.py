"""Whether the folders of a workspace are folders that can be written to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from serving.lock_state import is_locked
from serving.repair.problem import (
    NotRepaired,
    Repair,
    WorkspaceProblem,
    damage,
    move_aside,
    readable_again,
)
from serving.state_files import open_file
from serving.units import format_bytes
from serving.workspace import Workspace

LOW_SPACE = 2**20
"""Bytes that are free on a disk on which hardly anything can be saved any more."""


def check_folders(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each folder that is none, or in which nothing can be written."""
    for folder in workspace.folders:
        if not os.path.lexists(folder):
            continue
        if not folder.is_dir():
            yield WorkspaceProblem(
                folder,
                f"{folder} is not a folder.",
                "Run `servery doctor --repair`: it moves it to the folder damaged.",
                _remake(folder, workspace),
            )
        elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            yield _not_writable(folder)
            if os.statvfs(folder).f_flag & os.ST_RDONLY:
                return  # the same is true of all that are in it


def check_locks(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each file that programs lock, if that is no file or may not be used."""
    for path in (
        *sorted(workspace.root.glob(".*.lock")),
        *sorted(workspace.run.glob("*.lock")),
        *sorted(workspace.models.glob(".*lock")),  # a model may be called pets.lock
        *sorted(workspace.fleet_record.parent.glob("*.lock")),
    ):
        yield from damage(path, _check_lock, partial(_repair_lock, workspace, path))


def check_space(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem if the disk of the workspace is as good as full."""
    if not workspace.root.is_dir():
        return
    disk = os.statvfs(workspace.root)
    free = disk.f_bavail * disk.f_frsize
    if free < LOW_SPACE:
        yield WorkspaceProblem(
            workspace.root,
            f"The disk that holds {workspace.root} has {format_bytes(free)} left.",
            "Make room on it.",
            passes=True,
        )


def _check_lock(path: Path) -> None:
    """Raise DamagedFile unless a file can be locked; nothing in it counts."""
    with contextlib.suppress(FileNotFoundError), open_file(path):
        pass


def _repair_lock(workspace: Workspace, path: Path) -> str:
    if opened := readable_again(path, _check_lock):
        return opened
    if is_locked(path):
        raise NotRepaired(
            f"{path} is being used by another program.",
            "End it with `servery stop`, then repair again.",
        )
    return move_aside(path, workspace)


def _not_writable(folder: Path) -> WorkspaceProblem:
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return WorkspaceProblem(
            folder,
            f"The disk that holds {folder} can only be read.",
            "Make it writable.",
            passes=True,
        )
    may_change = folder.stat().st_uid == os.getuid()

    def open_again() -> str:
        folder.chmod(0o700)
        return f"You may read and write {folder} again."

    return WorkspaceProblem(
        folder,
        f"You may not read and write {folder}.",
        "Run `servery doctor --repair`, which gives you the right."
        if may_change
        else "Give yourself the right to read and write it.",
        open_again if may_change else None,
    )


def _remake(folder: Path, workspace: Workspace) -> Repair:
    def remake() -> str:
        done = move_aside(folder, workspace)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return done

    return remake
