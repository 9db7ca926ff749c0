"""Put the starter model into a model repository, without TensorFlow or a network."""

from __future__ import annotations

import shutil
from pathlib import Path

from serving.errors import ModelError
from serving.models.repository import ModelRepository, Version
from serving.models.starter.halved import widen

STARTER_MODEL = "starter"
RESOURCES = Path(__file__).parents[3] / "resources" / "starter_model"
HALVED_NAME = "saved_model.half.pb"


def install_starter(repository: ModelRepository, source: Path = RESOURCES) -> Version:
    """Make sure that the starter model has a live version, and return it.

    Where the model already has versions nothing is copied; a live version is
    never changed. Raises ModelError where the starter's files are missing.
    """
    versions = repository.versions(STARTER_MODEL)
    if not versions:
        versions = [_copy(repository, source)]
    if not repository.live_config_path(STARTER_MODEL).is_file():
        repository.promote(STARTER_MODEL, versions[-1].number)
    return repository.live(STARTER_MODEL)


def _copy(repository: ModelRepository, source: Path) -> Version:
    halved = source / HALVED_NAME
    if not halved.is_file():
        raise ModelError(
            f"The starter model is missing from {source}.", "Install Servery again to restore it."
        )
    with repository.staged(STARTER_MODEL) as staged:
        (staged / "saved_model.pb").write_bytes(widen(halved.read_bytes()))
        (staged / "variables").mkdir()
        shutil.copytree(source / "assets.extra", staged / "assets.extra")
        return repository.adopt(STARTER_MODEL, staged)
