"""Models that come in from other programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from serving.importing.interface import ImportRequest


@dataclass(frozen=True)
class ModelUpload:
    """A model file that was sent, for requests that name it by `id` until the backend ends."""

    id: str
    name: str


@dataclass(frozen=True)
class ModelFileQuery:
    """What is asked about a model file."""

    source: ImportRequest = field(default_factory=ImportRequest)
    """Its paths are absolute ones of the backend's machine."""
    upload: str = ""
    """The id of a ModelUpload, which takes the place of the path."""
    photos: tuple[str, ...] = ()
    """Absolute paths on the backend's machine."""


@dataclass(frozen=True)
class NewImport:
    """A model to be made from a model file, under a name that no model has."""

    name: str
    source: ImportRequest = field(default_factory=ImportRequest)
    upload: str = ""
    photos: tuple[str, ...] = ()
    """On which it is compared with the original; on generated ones without any."""


@dataclass(frozen=True)
class CatalogueEntry:
    """A classifier that can be downloaded."""

    name: str
    title: str
    description: str
    installed: bool
    accuracy: float
    """Share of ImageNet's validation photos that are right, as its authors published."""
    size_bytes: int
    """Of the download, about."""
    input_side: int
    """Pixels."""
    licence: str
    """Of its weights."""
    authors: str


@dataclass(frozen=True)
class NewDownload:
    """From where a model of the catalogue is downloaded."""

    mirror: str = ""
    """The address of a mirror, or empty for the one that the backend was started with."""


class ImportState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        return self not in (ImportState.QUEUED, ImportState.RUNNING)


@dataclass(frozen=True)
class ModelImport:
    """One import of a model, until the backend ends."""

    id: str
    name: str
    """Of the model that it makes."""
    state: ImportState
    progress: float = 0.0
    """0 to 1."""
    step: str = ""
    """What it does, a sentence."""
    version: int | None = None
    """Live, once it has succeeded."""
    error: str = ""
    advice: str = ""
    """Why it failed, and what to do."""
