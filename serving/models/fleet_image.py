"""The image with a model in it that the fleet runs from, if it does: `fleet_image.json`.

While it does, its instances serve one version of one model and nothing else, so no other version
may go live and no other model be served. Who would do that is told so, and what to do.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from serving.errors import ModelError
from serving.json_decode import decode
from serving.state_files import DamagedFile, UnreadableFile, read_object
from serving.tf.trust import version_digest

FLEET_IMAGE_NAME = "fleet_image.json"


class ServedFromImage(ModelError):
    """The fleet runs from an image, whose version stays the one that answers."""


@dataclass(frozen=True)
class FleetImage:
    """An image, and the version of a model that it holds."""

    image: str
    model: str
    version: int
    digest: str

    @property
    def mark(self) -> str:
        """Return what changes whenever the image holds something else."""
        return f"{self.model}/{self.version}/{self.digest}"


def read_fleet_image(root: Path) -> FleetImage | None:
    """Return the image that the fleet runs from; None if it serves from the repository.

    What is damaged counts as none: instances are compared with what their image holds anyway.
    """
    try:
        return checked_fleet_image(root / FLEET_IMAGE_NAME)
    except UnreadableFile:
        return None


def checked_fleet_image(path: Path) -> FleetImage | None:
    """Return what a file says; raises DamagedFile, and UnreadableFile."""
    raw = read_object(path)
    if not raw:
        return None
    try:
        return decode(FleetImage, raw)
    except ValueError as error:
        raise DamagedFile(path, f"it does not name an image: {error}") from None


def fleet_image_text(image: FleetImage | None) -> str:
    """Return the content of the file."""
    return json.dumps(asdict(image) if image is not None else {}, indent=2) + "\n"


def check_version(root: Path, model: str, number: int) -> None:
    """Raise ServedFromImage if the fleet's image keeps a version from answering."""
    image = read_fleet_image(root)
    if image is not None and (image.model, image.version) != (model, number):
        raise _refusal(image, f"promote version {number} of {model}")


def check_served(root: Path, models: Collection[str]) -> None:
    """Raise ServedFromImage if the fleet's image keeps one of these models from being served."""
    image = read_fleet_image(root)
    if image is not None and set(models) != {image.model}:
        others = ", ".join(sorted(set(models) - {image.model})) or "another model"
        raise _refusal(image, f"serve {others}")


def check_holds(
    image: FleetImage, served: Sequence[str], answering: int, folder: Path, *, has_canary: bool
) -> None:
    """Raise ModelError unless an image holds what answers now, and nothing else is served.

    `answering` is the version that answers for the image's model, in `folder`.
    """
    what = f"The image {image.image} holds version {image.version} of {image.model}"
    if tuple(served) != (image.model,):
        raise ModelError(
            f"{what} and nothing else, and the fleet serves {', '.join(served) or 'nothing'}.",
            f"Serve {image.model} alone first: `servery models use`, `servery models unserve`.",
        )
    if answering != image.version or has_canary:
        raise ModelError(
            f"{what}, and version {answering} answers, or a canary goes on.",
            f"Promote version {image.version}, or make an image of version {answering}:"
            f" `servery models image {image.model}`.",
        )
    if version_digest(folder) != image.digest:
        raise ModelError(
            f"{what}, but not the one of this workspace: their files differ.",
            f"Make the image again: `servery models image {image.model}`.",
        )


def _refusal(image: FleetImage, then: str) -> ServedFromImage:
    return ServedFromImage(
        f"The fleet runs from the image {image.image}, which serves version {image.version} of"
        f" {image.model} and nothing else.",
        "Let it serve from the workspace again (`servery fleet limit --image ''`, or the limits on"
        f" the Fleet page), then {then}. After that it can run from an image of that.",
    )
