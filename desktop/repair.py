"""Every check of a workspace: those of all programs, and those of the desktop's own files."""

from __future__ import annotations

from collections.abc import Iterator

from desktop.preferences import read_preferences
from serving.repair import checks
from serving.repair.problem import Check, WorkspaceProblem, damage, move_aside, readable_again
from serving.workspace import Workspace


def check_settings(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    path = workspace.settings

    def repair() -> str:
        if readable_again(path, read_preferences):
            return f"You may read {path} again."
        return f"{move_aside(path, workspace)} Every setting is what it is at first."

    yield from damage(path, read_preferences, repair)


QUICK_CHECKS: tuple[Check, ...] = (check_settings, *checks.QUICK_CHECKS)
THOROUGH_CHECKS: tuple[Check, ...] = (check_settings, *checks.THOROUGH_CHECKS)
