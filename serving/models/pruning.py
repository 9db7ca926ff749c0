"""Removes what a model repository no longer needs: versions, and what a crash left."""

from __future__ import annotations

import shutil
from pathlib import Path

from serving.errors import ModelError
from serving.leftovers import sweep
from serving.models.canary import CANARY_NAME, SAMPLES_NAME
from serving.models.faults import FAULTS_NAME
from serving.models.repository import SETTINGS_NAME, ModelRepository
from serving.models.repository_files import subfolders
from serving.models.staging import staging_name

_ABOUT_VERSIONS = {SETTINGS_NAME, FAULTS_NAME, CANARY_NAME, SAMPLES_NAME}
"""Files that say nothing without any version."""


def remove_version(repository: ModelRepository, model: str, number: int) -> None:
    """Remove a version for good; raises ModelError if it is live, pinned or not there."""
    version = repository.version(model, number)
    with repository.files.changing():
        if number == repository.checked_live_number(model):
            raise ModelError(
                f"Version {number} of {model} is live.", "Promote another version first."
            )
        if number == repository.fallback(model):
            raise ModelError(
                f"Version {number} of {model} answers in place of the live one.",
                "Promote another version first.",
            )
        canary = repository.canaries.of(model)
        if canary is not None and number in (canary.version, canary.stable):
            raise ModelError(
                f"Version {number} of {model} answers requests while a canary goes on.",
                "End the canary first.",
            )
        if number in repository.settings(model).pinned:
            raise ModelError(f"Version {number} of {model} is pinned.", "Unpin it first.")
        _discard(version.path)


def prune(repository: ModelRepository, model: str) -> list[int]:
    """Remove the versions that nothing keeps; returns their numbers.

    The newest `keep_versions` stay, and the first, the live and the pinned ones, the one that
    answers in place of the live one, and those of a canary. Raises ModelError if the disk
    refuses it, or nothing says which version is live.
    """
    with repository.files.changing():
        settings = repository.settings(model)
        versions = repository.versions(model)
        kept = {version.number for version in versions[-settings.keep_versions :]}
        kept |= {*settings.pinned, *(version.number for version in versions[:1])}
        kept |= {repository.fallback(model) or 0}
        if (canary := repository.canaries.of(model)) is not None:
            kept |= {canary.version, canary.stable}
        surplus = [
            version
            for version in versions
            if version.number not in kept
            and version.number != repository.checked_live_number(model)
        ]
        for version in surplus:
            _discard(version.path)
    return [version.number for version in surplus]


def sweep_models(repository: ModelRepository) -> list[Path]:
    """Remove what a crash left half written; returns what was removed."""
    left = sweep((repository.root, *subfolders(repository.root)))
    # A model that got no version: nothing lists it, and its name would stay taken.
    for folder in subfolders(repository.root):
        if _has_settings_alone(folder):
            shutil.rmtree(folder, ignore_errors=True)
            left.append(folder)
    return left


def _discard(version_folder: Path) -> None:
    # Renamed first: a server that polls the folder sees a whole version or none.
    aside = version_folder.with_name(staging_name())
    version_folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _has_settings_alone(folder: Path) -> bool:
    try:
        return {entry.name for entry in folder.iterdir()} <= _ABOUT_VERSIONS
    except OSError:
        return False
