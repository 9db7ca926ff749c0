"""Versions whose files are gone or changed, and what can take their place."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from serving.errors import ModelError
from serving.models.builtin.catalog import built_in_models
from serving.models.card import CARD_PATH
from serving.models.checksums import CHECKSUMS_PATH, recorded_checksums
from serving.models.repository import ModelRepository
from serving.models.serving_config import pinned_versions
from serving.repair.problem import NotRepaired, WorkspaceProblem, damage, move_aside
from serving.state_files import DamagedFile, UnreadableFile
from serving.tf.names import SAVED_MODEL_FILE
from serving.workspace import Workspace


def check_live_versions(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each live version that is gone, and each folder that is no version."""
    repository = ModelRepository(workspace.models)
    for folder in repository.folders():
        model = folder.name
        versions = {version.number for version in repository.versions(model)}
        for entry in sorted(folder.iterdir()):
            if entry.name.isdecimal() and entry.is_dir() and int(entry.name) not in versions:
                fault = _fault(entry / SAVED_MODEL_FILE)
                yield _damaged(workspace, repository, model, entry, f"{SAVED_MODEL_FILE} {fault}")
        number = _live_number(repository, model)
        if number is not None and number not in versions and versions:
            yield WorkspaceProblem(
                repository.live_config_path(model),
                f"Version {number} of {model} is live, but it cannot be used.",
                f"Run `servery doctor --repair`, which makes version {max(versions)} live.",
                partial(_promote, repository, model, max(versions)),
            )


def check_versions(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each version whose files changed; reads every byte of all."""
    repository = ModelRepository(workspace.models)
    for model in repository.models():
        for version in repository.versions(model):
            path = version.path / CHECKSUMS_PATH
            try:
                recorded_checksums(version.path)
            except DamagedFile:
                yield from damage(
                    path,
                    lambda path: recorded_checksums(path.parent.parent),
                    partial(move_aside, path, workspace),
                )
                continue
            except UnreadableFile:
                continue
            changed = [
                name
                for name in version.changed_files() or ()
                if name != CARD_PATH.as_posix()  # which has a check of its own
            ]
            if changed:
                more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
                what = f"{', '.join(changed[:3])}{more} changed"
                yield _damaged(workspace, repository, model, version.path, what)


def _damaged(
    workspace: Workspace, repository: ModelRepository, model: str, folder: Path, fault: str
) -> WorkspaceProblem:
    """Return the problem that the version in `folder` cannot be used as it is."""
    number = int(folder.name)
    is_live = _live_number(repository, model) == number
    whole = [each.number for each in repository.versions(model) if each.number != number]
    comes_with_servery = model in (each.name for each in built_in_models())
    if not is_live:
        advice = "Run `servery doctor --repair`, which moves it away; it is not live."
    elif whole:
        advice = "Run `servery doctor --repair`, which makes another version live."
    elif comes_with_servery:
        advice = "Run `servery doctor --repair`, which installs it again."
    else:
        advice = "Make the model again from its photos; its labels are kept."
    return WorkspaceProblem(
        folder,
        f"Version {number} of {model} is damaged: {fault}.",
        advice,
        partial(_repair, workspace, repository, model, folder)
        if whole or comes_with_servery or not is_live
        else None,
    )


def _repair(workspace: Workspace, repository: ModelRepository, model: str, folder: Path) -> str:
    number = int(folder.name)
    if _live_number(repository, model) != number:
        return move_aside(folder, workspace)
    for version in reversed(repository.versions(model)):
        if version.number != number and not version.changed_files():
            repository.promote(model, version.number)
            return f"{move_aside(folder, workspace)} Version {version.number} of {model} is live."
    if model not in (each.name for each in built_in_models()):
        raise NotRepaired(
            f"Version {number} of {model} is damaged, and no other version of it is whole.",
            "Make the model again from its photos; its labels are kept.",
        )
    # Reads the weights, which takes a second, so it is imported where it is needed.
    from serving.models.builtin.install import install_built_in

    done = move_aside(folder, workspace)
    installed = install_built_in(repository, model)
    return f"{done} Version {installed.number} of {model} was installed again."


def _promote(repository: ModelRepository, model: str, number: int) -> str:
    repository.promote(model, number)
    return f"Version {number} of {model} is live."


def _live_number(repository: ModelRepository, model: str) -> int | None:
    """Return the number that is said to be live, whether there is such a version or not."""
    for path in (repository.live_config_path(model), repository.config_path):
        try:
            number = (pinned_versions(path) or {}).get(model)
        except UnreadableFile:
            continue
        if number is not None:
            return number
    try:
        return repository.live(model).number
    except ModelError:
        return None


def _fault(path: Path) -> str:
    """Say, as the end of a sentence, what is wrong with a file that is none."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return "is gone" if not os.path.lexists(path) else f"cannot be read: {error.strerror}"
    return "is a folder" if stat.S_ISDIR(mode) else "is not a file"
