"""While the fleet runs from an image, what it holds is the only version that answers."""

from __future__ import annotations

import pytest

from backend.training.gate import served_from_image
from serving.errors import ModelError
from serving.models.fleet_image import FLEET_IMAGE_NAME, FleetImage, ServedFromImage
from serving.models.fleet_image_change import set_fleet_image
from serving.models.repository import ModelRepository
from serving.tf.trust import version_digest
from serving.workspace import Workspace
from tests.support.tiny_model import TINY_MODEL, install_tiny


def test_only_what_answers_can_be_the_image_and_nothing_else_goes_live(
    workspace: Workspace,
) -> None:
    repository = ModelRepository(workspace.models)
    version = install_tiny(repository)
    install_tiny(repository)
    repository.promote(TINY_MODEL, 1)
    digest = version_digest(version.path)
    image = FleetImage("pets:1", TINY_MODEL, 1, digest)
    for other, match in (
        (FleetImage("pets:1", TINY_MODEL, 2, digest), "version 1 answers"),
        (FleetImage("pets:1", TINY_MODEL, 1, "0"), "their files differ"),
    ):
        with pytest.raises(ModelError, match=match) as refused:
            set_fleet_image(repository, other)
        assert refused.value.advice
    set_fleet_image(repository, image)
    assert repository.fleet_image() == image
    with pytest.raises(ServedFromImage, match="serves version 1 of pets and nothing else"):
        repository.promote(TINY_MODEL, 2)
    assert "waits" not in served_from_image(image).because
    (repository.root / FLEET_IMAGE_NAME).write_text("{")
    assert repository.fleet_image() is None  # damaged: instances are compared anyway
    set_fleet_image(repository, None)
    repository.promote(TINY_MODEL, 2)
