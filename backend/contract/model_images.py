"""Container images that hold one version of a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from serving.models.model_settings import ImageSettings as ImageSettings


class ImageBuildState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The backend ended before it did."""


ENDED_BUILDS = frozenset(set(ImageBuildState) - {ImageBuildState.QUEUED, ImageBuildState.RUNNING})


@dataclass(frozen=True)
class NewImage:
    """The image that is to be made of a version."""

    tag: str = ""
    """Its name, in which `{model}` and `{version}` stand for these; empty for that of the model's
    settings."""
    base: str = ""
    """An image, or a path of the backend's machine to what `docker save` wrote; empty for the
    first image of a model server that the engine has."""
    arguments: dict[str, str] = field(default_factory=dict)
    """Build arguments."""
    push: bool = False
    save: str = ""
    """The path, on the backend's machine, of a file to save it as; empty for none."""


@dataclass(frozen=True)
class ImageBuild:
    """One image of a version being made, or made."""

    id: str
    model: str
    version: int
    tag: str
    state: ImageBuildState
    created: str
    """UTC, ISO 8601."""
    base: str = ""
    push: bool = False
    save: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    after_promotion: bool = False
    """It was begun because the version was promoted."""
    finished: str = ""
    done: int = 0
    total: int = 0
    step: str = ""
    error: str = ""
    """Why there is no such image, as a sentence."""
    advice: str = ""
    size_bytes: int = 0
    added_bytes: int = 0
    """What the image takes besides its base."""
    pushed_digest: str = ""
    saved_bytes: int = 0
    removed: list[str] = field(default_factory=list)
    """Older images of the model that were removed."""
    log: str = ""
    """The path of its log on the backend's machine."""

    @property
    def running(self) -> bool:
        return self.state not in ENDED_BUILDS


@dataclass(frozen=True)
class BaseImage:
    """An image of a model server that the engine has."""

    name: str
    size_bytes: int
