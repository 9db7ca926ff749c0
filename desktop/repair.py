"""Every check of a workspace: those of all programs, of the desktop, and of the backend.

Knows no Qt: the command line and the window use the same.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from desktop.database_repair import check_desktop_database
from desktop.preferences import read_preferences
from desktop.running_programs import read_entry
from desktop.translation import tr
from serving.errors import ServeryError
from serving.programs import child_environment, module_command
from serving.repair import checks
from serving.repair.databases import check_database
from serving.repair.problem import (
    Check,
    NotRepaired,
    WorkspaceProblem,
    damage,
    find_problems,
    move_aside,
    open_or_move_aside,
    repaired,
)
from serving.workspace import Workspace

BACKEND_REPAIR = "backend.repair"
_REPAIR_SECONDS = 3600.0
"""How long the backend's part may take; it reads every labelled photo."""


@dataclass(frozen=True)
class Examination:
    """What is wrong in a workspace, and what was done about it."""

    problems: tuple[WorkspaceProblem, ...]
    repaired: tuple[str, ...] = ()
    not_repaired: tuple[ServeryError, ...] = ()


def check_settings(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    path = workspace.settings
    consequence = tr("All settings are the defaults again.")
    repair = partial(open_or_move_aside, path, read_preferences, workspace, consequence)
    yield from damage(path, read_preferences, repair)


def check_programs(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each damaged entry of a program that runs."""
    for path in sorted(workspace.programs.glob("[!.]*.json")):
        yield from damage(path, read_entry, partial(move_aside, path, workspace))


def check_backend_database(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem if the backend's database is damaged, which the backend repairs."""
    yield from check_database(workspace.backend_database, partial(_repair_in_backend, workspace))


QUICK_CHECKS: tuple[Check, ...] = (check_settings, *checks.QUICK_CHECKS, check_programs)
"""Read a few small files, so that every command can make them first."""
CHECKS: tuple[Check, ...] = (*QUICK_CHECKS, check_desktop_database, check_backend_database)
"""Read the databases too: for the start of the window."""
_THOROUGH_CHECKS: tuple[Check, ...] = (
    check_settings,
    *checks.THOROUGH_CHECKS,
    check_programs,
    check_desktop_database,
)


def examine(workspace: Workspace, *, repair: bool) -> Examination:
    """Check everything in a workspace, and repair what can be repaired if `repair` says so."""
    done: list[str] = []
    failed: list[ServeryError] = []
    if repair:
        done, failed = repair_all(find_problems(workspace, _THOROUGH_CHECKS))
    backend = _examine_in_backend(workspace, repair=repair) if workspace.root.is_dir() else {}
    done += backend.get("repaired", ())
    failed += [NotRepaired(**each) for each in backend.get("not_repaired", ())]
    problems = find_problems(
        workspace, (*_THOROUGH_CHECKS, lambda _: _problems(workspace, backend))
    )
    return Examination(tuple(problems), tuple(done), tuple(failed))


def repair_all(
    problems: Sequence[WorkspaceProblem],
) -> tuple[list[str], list[ServeryError]]:
    """Repair what can be repaired; returns what was done, as sentences, and what was not."""
    done: list[str] = []
    failed: dict[Path, ServeryError] = {}
    for problem in problems:
        if problem.repair is not None:
            try:
                done += filter(None, [repaired(problem)])
            except ServeryError as error:
                failed[problem.path] = error
    # What could not be repaired may have been moved by the repair of the folder around it.
    return done, [error for path, error in failed.items() if os.path.lexists(path.parent)]


def _problems(workspace: Workspace, backend: dict[str, Any]) -> Iterator[WorkspaceProblem]:
    for each in backend.get("problems", ()):
        yield WorkspaceProblem(
            workspace.root / each["path"],
            each["what"],
            each["advice"],
            partial(_repair_in_backend, workspace) if each["repairable"] else None,
        )


def _repair_in_backend(workspace: Workspace) -> str:
    result = _examine_in_backend(workspace, repair=True)
    for failure in result["not_repaired"]:
        raise NotRepaired(**failure)
    return " ".join(result["repaired"]) or tr("Nothing was left to repair.")


def _examine_in_backend(workspace: Workspace, *, repair: bool) -> dict[str, Any]:
    """Run the backend's checks, in a process of their own; raises NotRepaired."""
    command = [*module_command(BACKEND_REPAIR), str(workspace.root)]
    try:
        finished = subprocess.run(
            [*command, "--repair"] if repair else command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=child_environment(),
            timeout=_REPAIR_SECONDS,
            check=True,
        )
        result: dict[str, Any] = json.loads(finished.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise NotRepaired(
            tr("The labels and the labelled photos could not be checked: {error}.", error=error),
            tr("Close Servery's window and end `servery serve`, then run `servery doctor` again."),
        ) from error
    return result
