"""Models, of a person and built in."""

from __future__ import annotations

from dataclasses import dataclass, field

from backend.contract.canary import CanarySummary
from backend.contract.versions import VersionSummary


@dataclass(frozen=True)
class ModelSummary:
    name: str
    live_version: int | None
    versions: list[VersionSummary] = field(default_factory=list)
    """Newest first."""
    current: bool = False
    """Answers when no model is named."""
    served: bool = False
    """Every instance loads it."""
    class_count: int = 0
    """Classes that the live version answers with."""
    labels: int = 0
    """Labelled photos."""
    accuracy: float | None = None
    """Of the live version."""
    accuracy_error: float | None = None
    """Half of its 95% interval."""
    backbone: str = ""
    keeps_backbone_classes: bool = True
    size_bytes: int = 0
    """Of all its versions on disk."""
    photo_milliseconds: float | None = None
    """How long this machine took for one of many photos when the model was brought in."""
    memory_bytes: int | None = None
    """What it takes in an instance, if it was ever measured."""
    fallback_version: int | None = None
    """The version that answers in place of the live one, which has a fault."""
    canary: CanarySummary | None = None
    """A version that answers a share of the requests, while one does."""
    keep_versions: int = 10
    description: str = ""
    attribution: str = ""
    """Licence and origin of the live version, for people to read."""


@dataclass(frozen=True)
class BuiltInSummary:
    """A model that comes with Servery."""

    name: str
    title: str
    description: str
    installed: bool
    accuracy: float | None = None
    """Top-1 on ImageNet, as published."""
    attribution: str = ""


@dataclass(frozen=True)
class NewModel:
    name: str
    backbone: str
    """A built-in model, or one of the workspace, whose network it uses."""
    keep_classes: bool = False
    """It begins with the classes of the backbone; otherwise with none."""


@dataclass(frozen=True)
class ModelChange:
    """What is to be changed; None leaves it."""

    name: str | None = None
    keep_versions: int | None = None


@dataclass(frozen=True)
class DeletedModel:
    name: str
    token: str
    """For `POST /deleted/{token}/restore`, until the backend ends."""
    versions: int
    labels: int
