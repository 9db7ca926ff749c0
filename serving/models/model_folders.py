"""Models as a whole: their folders in a repository made, duplicated, deleted and restored.

Each of these raises ModelError if the disk refuses it, and leaves what is live as it was.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from serving.errors import ModelError
from serving.files import copy_tree, flush_folder, link_or_copy, write_aside
from serving.models.canary import CANARY_NAME, SAMPLES_NAME
from serving.models.faults import FAULTS_NAME
from serving.models.model_names import same_name
from serving.models.model_settings import ModelSettings
from serving.models.repository import SETTINGS_NAME, ModelRepository
from serving.models.repository_files import subfolders
from serving.models.serving_config import (
    CONFIG_NAME,
    MONITORING,
    MONITORING_NAME,
    PinnedModel,
    serving_config,
)
from serving.models.staging import STAGING_PREFIX, staging_name

DELETED_NAME = ".deleted"


def create_model(repository: ModelRepository, model: str, settings: ModelSettings) -> None:
    """Make the folder of a new model, which has no version yet.

    Raises ModelError if there is one of this name, capitals aside.
    """
    with repository.files.changing():
        check_free(repository, model)
        try:
            write_aside(repository.root / model / SETTINGS_NAME, settings.to_json())
        except OSError:
            # An empty folder would keep the name taken.
            shutil.rmtree(repository.root / model, ignore_errors=True)
            raise


def add_model(
    repository: ModelRepository, model: str, folder: Path, settings: ModelSettings, live: int
) -> None:
    """Rename a folder with whole versions into place as a model of which `live` is the live one.

    It must lie on the repository's file system. Raises ModelError if there is a model of this
    name, capitals aside.
    """
    with repository.files.changing():
        check_free(repository, model)
        target = repository.root / model
        write_aside(folder / SETTINGS_NAME, settings.to_json())
        write_aside(folder / MONITORING_NAME, MONITORING)
        write_aside(folder / CONFIG_NAME, serving_config([PinnedModel(model, target, live)]))
        folder.rename(target)
        flush_folder(repository.root)


def duplicate_model(repository: ModelRepository, model: str, new: str) -> None:
    """Make a model `new` with the versions, the settings and the live version of `model`.

    The files are shared on disk, since versions never change. Raises ModelError if
    there is no such model, or one called `new`, capitals aside.
    """
    _check_exists(repository, model)
    root = repository.root
    with repository.files.changing():
        check_free(repository, new)
        aside = root / staging_name()
        try:
            # A canary is about requests that the model gets under its name.
            ignored = shutil.ignore_patterns(
                f"{STAGING_PREFIX}*", CONFIG_NAME, FAULTS_NAME, CANARY_NAME, SAMPLES_NAME
            )
            copy_tree(root / model, aside, copy=link_or_copy, ignore=ignored)
            number = repository.checked_live_number(model)
            if number is not None:
                entry = serving_config([PinnedModel(new, root / new, number)])
                write_aside(aside / CONFIG_NAME, entry)
            aside.rename(root / new)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def delete_model(repository: ModelRepository, model: str) -> str:
    """Move a model away and return the token that `restore_model` takes.

    Raises ModelError if there is no such model, or it is served.
    """
    _check_exists(repository, model)
    with repository.files.changing():
        if model in repository.served().names():
            raise ModelError(
                f"Model {model} is loaded by the instances.",
                "Make another model current, or unload this one, then delete it.",
            )
        token = secrets.token_hex(8)
        folder = repository.root / DELETED_NAME / token
        folder.mkdir(parents=True)
        (repository.root / model).rename(folder / model)
    return token


def restore_model(repository: ModelRepository, token: str) -> str:
    """Bring a deleted model back and return its name.

    Raises ModelError if it is gone for good, or its name is taken.
    """
    with repository.files.changing():
        folder = repository.root / DELETED_NAME / token
        found = next(iter(subfolders(folder)), None) if token.isalnum() else None
        if found is None:
            raise ModelError(
                "The deleted model is gone.",
                "A model can be restored until Servery is closed.",
            )
        check_free(repository, found.name)
        found.rename(repository.root / found.name)
        shutil.rmtree(folder, ignore_errors=True)
        return found.name


def deleted_models(repository: ModelRepository) -> dict[str, str]:
    """Return the names of deleted models, by the token that `restore_model` takes."""
    return {
        folder.name: model.name
        for folder in subfolders(repository.root / DELETED_NAME)
        for model in subfolders(folder)
    }


def purge_deleted(repository: ModelRepository, token: str | None = None) -> list[str]:
    """Remove deleted models, or only that of `token`, for good; returns their tokens."""
    found = subfolders(repository.root / DELETED_NAME)
    removed = [folder for folder in found if token in (None, folder.name)]
    for folder in removed:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder.name for folder in removed]


def _check_exists(repository: ModelRepository, model: str) -> None:
    if model not in repository.models():
        raise ModelError(f"There is no model {model}.", "Choose one from the list of models.")


def check_free(repository: ModelRepository, model: str) -> None:
    """Raise ModelError if there is a model of this name, capitals aside."""
    for folder in subfolders(repository.root):
        if same_name(folder.name, model):
            raise ModelError(
                f"There is a model called {folder.name} already.", "Choose another name."
            )
