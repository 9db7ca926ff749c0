"""Writes a stack into a folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from serving.errors import storage_error
from serving.export_folder import ExportRefused, check_is_free
from serving.files import flush_tree
from serving.leftovers import writer_tag
from serving.stack.compose import compose_files
from serving.stack.containers import SECRETS_FOLDER
from serving.stack.kubernetes.manifests import kubernetes_files
from serving.stack.plan import StackFormat, StackPlan
from serving.stack.readme import README, readme
from serving.stack.swarm import swarm_files

_FILES = {
    StackFormat.COMPOSE: compose_files,
    StackFormat.SWARM: swarm_files,
    StackFormat.KUBERNETES: kubernetes_files,
}
_PRIVATE = 0o600
_READABLE = 0o444
"""What a container's user reads, to whom the file is mounted; others do not enter the folder."""


def stack_files(plan: StackPlan) -> dict[str, str]:
    """Return the text of each file of a stack, by its path in the folder; raises StackError."""
    plan.check()
    return {README: readme(plan), **_FILES[plan.format](plan)}


def write_stack(plan: StackPlan, folder: Path) -> list[Path]:
    """Write a stack into a new or an empty folder, for the person alone; return its files.

    The folder is there once it is complete. Raises StackError, and ExportRefused if something is
    in the folder already or the disk refuses.
    """
    found = stack_files(plan)
    target = folder.absolute()
    check_is_free(target)
    aside = target.with_name(f".{target.name}.{writer_tag()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.mkdir(mode=0o700)
        _write(found, aside)
        check_is_free(target)
        aside.rename(target)
    except OSError as error:
        what = f"The stack cannot be written to {target}"
        raise storage_error(error, target, what, ExportRefused) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return [target / name for name in found]


def _write(found: Mapping[str, str], folder: Path) -> None:
    for name, text in found.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(text)
        is_mounted = path.parent.name == SECRETS_FOLDER or path.suffix == ".sh"
        path.chmod(_READABLE if is_mounted else _PRIVATE)
    flush_tree(folder)
