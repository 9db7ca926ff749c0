"""From which image the fleet runs from now on, or from the repository again."""

from __future__ import annotations

from serving.models.fleet_image import (
    FLEET_IMAGE_NAME,
    FleetImage,
    check_holds,
    checked_fleet_image,
    fleet_image_text,
)
from serving.models.repository import ModelRepository


def set_fleet_image(repository: ModelRepository, image: FleetImage | None) -> None:
    """Let the fleet run from an image, or serve from the repository again.

    Raises ModelError unless the image holds what answers now, and nothing else is served.
    """
    with repository.files.changing():
        if image is not None:
            answering = repository.answering(image.model)
            check_holds(
                image,
                repository.served().names(),
                answering.number,
                answering.path,
                has_canary=repository.canaries.of(image.model) is not None,
            )
        elif not (repository.root / FLEET_IMAGE_NAME).is_file():
            return
        _write(repository, image)


def move_fleet_image(repository: ModelRepository, image: FleetImage | None) -> None:
    """Do as `set_fleet_image`; another version of the same model goes live with its image.

    Raises ModelError if the workspace has no such version, or its files differ.
    """
    former = repository.fleet_image()
    if image is None or former is None or former.model != image.model:
        set_fleet_image(repository, image)
        return
    version = repository.version(image.model, image.version)
    served = repository.served().names()
    check_holds(image, served, version.number, version.path, has_canary=False)
    with repository.files.changing():
        _write(repository, image)
    if repository.live_number(image.model) != image.version:
        repository.promote(image.model, image.version)


def _write(repository: ModelRepository, image: FleetImage | None) -> None:
    path = repository.root / FLEET_IMAGE_NAME
    repository.files.write(path, fleet_image_text(image), checked_fleet_image)
