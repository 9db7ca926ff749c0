"""`python -m backend.repair`: finds and repairs what only the backend knows how to read.

Prints one JSON object, `{"problems": [...], "repaired": [...], "not_repaired": [...]}`. The
window and `servery doctor` run it, since the desktop knows nothing of the backend's tables.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from backend.contract import ClassChangeKind, LabelKind, RunState
from backend.store.classes import ChangeState
from backend.store.images import read_image
from backend.store.schema import migrate
from backend.training.embeddings import damage_of_embeddings
from serving.errors import ServeryError
from serving.private import set_private_umask
from serving.repair.databases import check_database, recover_database
from serving.repair.problem import (
    Check,
    NotRepaired,
    WorkspaceProblem,
    find_problems,
    move_aside,
    repaired,
)
from serving.state_files import REPAIR_ADVICE, DamagedFile, UnreadableFile
from serving.workspace import Workspace

_HASH = re.compile(r"[0-9a-f]{64}")
_FOLDER = re.compile(r"[0-9a-f]{2}")
_STATES = frozenset(RunState)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m backend.repair", description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--repair", action="store_true")
    arguments = parser.parse_args()
    set_private_umask()
    print(json.dumps(examine(Workspace(arguments.workspace), repair=arguments.repair)))
    return 0


def examine(workspace: Workspace, *, repair: bool) -> dict[str, Any]:
    """Return what is wrong, after having repaired what can be if `repair` says so."""
    problems = find_problems(workspace, CHECKS)
    done: list[str] = []
    failed: list[dict[str, str]] = []
    for problem in problems if repair else ():
        if problem.repair is not None:
            try:
                done += filter(None, [repaired(problem)])
            except ServeryError as error:
                failed.append({"what": error.what, "advice": error.advice})
    if repair:
        problems = find_problems(workspace, CHECKS)
    return {
        "problems": [
            {
                "path": str(problem.path),
                "what": problem.what,
                "advice": problem.advice,
                "repairable": problem.repair is not None,
            }
            for problem in problems
        ],
        "repaired": done,
        "not_repaired": failed,
    }


def check_backend_database(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    yield from check_database(workspace.backend_database, partial(_recover, workspace))


def check_images(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each labelled photo that is not what was stored; reads all of them."""
    if not workspace.images.is_dir():
        return
    for folder in sorted(workspace.images.iterdir()):
        if not folder.is_dir():
            if _FOLDER.fullmatch(folder.name):
                yield _damaged_image(DamagedFile(folder, "it is not a folder"), workspace)
            continue
        for path in sorted(folder.iterdir()):
            if not _HASH.fullmatch(path.stem) or path.suffix != ".jpg":
                continue
            try:
                read_image(path)
            except DamagedFile as error:
                yield _damaged_image(error, workspace)
            except UnreadableFile:
                continue


def _damaged_image(damage: DamagedFile, workspace: Workspace) -> WorkspaceProblem:
    return WorkspaceProblem(
        damage.path,
        damage.what,
        "Run `servery doctor --repair`, which moves it away, then label the photo again.",
        partial(move_aside, damage.path, workspace),
    )


def check_embeddings(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each file of embeddings that is none; they are computed again."""
    if not workspace.embeddings.is_dir():
        return
    for path in sorted(workspace.embeddings.glob("*.embeddings")):
        fault = damage_of_embeddings(path)
        if fault:
            yield WorkspaceProblem(
                path,
                DamagedFile(path, fault).what,
                REPAIR_ADVICE,
                partial(move_aside, path, workspace),
            )


CHECKS: tuple[Check, ...] = (check_backend_database, check_images, check_embeddings)


def _recover(workspace: Workspace) -> str:
    path = workspace.backend_database
    if not path.parent.is_dir():
        raise NotRepaired(f"{path.parent} is not a folder.", "Repair that first.")
    return recover_database(
        workspace,
        path,
        migrate,
        {
            "labels": _is_label,
            "pool": lambda row: _is_image(row["image"]) and _is_text(row["model"]),
            "class_changes": _is_class_change,
            "training_runs": _is_run,
            "decisions": _is_decision,
            "training_settings": lambda row: _is_text(row["model"]),
            "renamed_models": lambda row: _is_text(row["old"], row["new"]),
        },
        {
            "labels": "labels",
            "pool": "photos of the pool",
            "training_runs": "training runs",
            "decisions": "decisions",
        },
    )


def _is_label(row: Mapping[str, Any]) -> bool:
    named = row["kind"] != LabelKind.CLASS or _is_text(row["class_name"])
    return (
        _is_image(row["image"])
        and row["kind"] in tuple(LabelKind)
        and named
        and _is_text(row["created"])
    )


def _is_class_change(row: Mapping[str, Any]) -> bool:
    return (
        row["state"] in tuple(ChangeState)
        and row["kind"] in tuple(ClassChangeKind)
        and _is_text(row["model"], row["name"], row["created"])
    )


def _is_run(row: Mapping[str, Any]) -> bool:
    return row["state"] in _STATES and _is_text(row["id"], row["model"], row["created"])


def _is_decision(row: Mapping[str, Any]) -> bool:
    return _is_text(row["model"], row["created"]) and isinstance(row["version"], int)


def _is_image(value: object) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _is_text(*values: object) -> bool:
    return all(isinstance(value, str) and value for value in values)


if __name__ == "__main__":
    raise SystemExit(main())
