"""Says which versions of a repository may do more than compute, as a person decides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from serving.errors import ModelError
from serving.models.repository import ModelRepository
from serving.models.trusted_list import read_trusted_list
from serving.models.version import Version
from serving.tf.graph_safety import UnsafeModel, check_operations
from serving.tf.status import ServingError
from serving.tf.trust import is_trusted, read_trusted, version_digest


def untrusted_parts(repository: ModelRepository, model: str, number: int) -> list[str]:
    """Return what in a version can do more than compute, if nobody has trusted it.

    While there is something, no instance loads it. Raises ModelError if there is no such
    version, its graph cannot be read, or no TensorFlow of ours could load it anyway.
    """
    folder = repository.version(model, number).path
    try:
        check_operations(folder)
    except ServingError as error:
        if isinstance(error, UnsafeModel) and error.can_be_trusted:
            return [] if is_trusted(folder, repository.trusted_path) else error.reasons
        raise ModelError(
            f"Version {number} of {model} cannot be used: {error.message}",
            "Promote another version.",
        ) from error
    return []


def trust_version(repository: ModelRepository, model: str, number: int) -> None:
    """Let instances and training load a version although it can do more than compute.

    That holds for the files that it has now, wherever they are copied in the repository.
    Raises ModelError if there is no such version.
    """
    version = repository.version(model, number)
    with repository.files.changing():
        _trust(repository, version.path, f"{model}/{number}")
    repository.forget_fault(model, number)


def trust_learned(repository: ModelRepository, folder: Path, base: Version) -> None:
    """Trust the version in `folder` if `base`, which it was learned from, is trusted.

    It has the operations of that one.
    """
    if is_trusted(base.path, repository.trusted_path):
        with repository.files.changing():
            _trust(repository, folder, f"learned from {base.model}/{base.number}")


def withdraw_trust(repository: ModelRepository, model: str, number: int) -> bool:
    """Trust a version no longer, wherever its files are copied; says whether it was trusted.

    Who has loaded it keeps it until the next load. What was learned from it was trusted on its
    own and stays so. Raises ModelError if there is no such version.
    """
    version = repository.version(model, number)
    with repository.files.changing():
        listed = read_trusted(repository.trusted_path)
        if listed.pop(version_digest(version.path), None) is None:
            return False
        _write(repository, listed)
    return True


def _trust(repository: ModelRepository, folder: Path, about: str) -> None:
    listed = read_trusted(repository.trusted_path)
    listed[version_digest(folder)] = about
    _write(repository, listed)


def _write(repository: ModelRepository, listed: Mapping[str, str]) -> None:
    content = json.dumps(listed, indent=2) + "\n"
    repository.files.write(repository.trusted_path, content, read_trusted_list)
