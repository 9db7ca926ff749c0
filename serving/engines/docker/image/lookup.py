"""Which images an engine has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import docker.errors
from docker import APIClient

from serving.engines.docker.errors import ImageMissing
from serving.engines.docker.image.constants import OFFICIAL_IMAGE, OWN_LABEL
from serving.engines.docker.model_image.labels import BakedModel


@dataclass(frozen=True)
class ImageInfo:
    """What is known of an image."""

    name: str
    platforms: tuple[str, ...] = ()
    """`linux/amd64`; empty if not known."""
    size: int = 0
    """Bytes; 0 if not known."""
    own: bool = False
    """Whether it is our own, whose server is the first process and gets the signals itself."""
    id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    """Whom its first process runs as; empty for root."""

    @property
    def baked(self) -> BakedModel | None:
        """The version that it holds; None for an image of a model server alone."""
        return BakedModel.read(self.labels)

    @classmethod
    def read(cls, name: str, inspected: Mapping[str, Any]) -> ImageInfo:
        """Read an engine's inspection of an image that it has."""
        config = inspected.get("Config") or {}
        labels = config.get("Labels") or {}
        system, architecture = inspected.get("Os"), inspected.get("Architecture")
        return cls(
            name=name,
            platforms=(f"{system}/{architecture}",) if system and architecture else (),
            size=int(inspected.get("Size") or 0),
            own=OWN_LABEL in labels,
            id=str(inspected.get("Id") or ""),
            labels=labels,
            entrypoint=tuple(config.get("Entrypoint") or ()),
            user=str(config.get("User") or ""),
        )


def first_present(client: APIClient, images: Sequence[str]) -> ImageInfo | None:
    """Return the first of `images` that the engine has."""
    inspect: Callable[[str], Mapping[str, Any]] = client.inspect_image
    for name in images:
        try:
            return ImageInfo.read(name, inspect(name))
        except docker.errors.NotFound:
            continue
    return None


def image_missing(images: Sequence[str]) -> ImageMissing:
    """Return the error of an engine that has none of `images`."""
    advice = "Load one from a file, or build our own: `servery image build`."
    if OFFICIAL_IMAGE in images:
        advice = f"Pull the image: docker pull {OFFICIAL_IMAGE}. {advice}"
    return ImageMissing(
        f"The container engine does not have the image {' or '.join(images)}.", advice
    )
