"""Versions taken out as files, and brought in again."""

from __future__ import annotations

from dataclasses import dataclass

from backend.contract.training import RunState
from serving.exporting.formats import ExportFormat


@dataclass(frozen=True)
class NewExport:
    """A request to export a version."""

    format: ExportFormat
    target: str
    """An absolute path on the machine of the backend: a new folder, or a file ending in `.zip`."""
    replace: bool = False
    """Take the place of an earlier export."""
    with_photos: bool = False
    """Put the labelled photos in too; for the format SERVERY alone."""


@dataclass(frozen=True)
class ModelFileJob:
    """An export of a version, or the import of one that another Servery exported."""

    id: str
    state: RunState
    model: str
    """Of an import, the one that it makes; empty until that is known."""
    version: int
    """0 until it is known."""
    path: str
    """What is written or read."""
    done: int = 0
    """Of 100."""
    step: str = ""
    """What happens now, or happened; why it failed."""
    advice: str = ""
    """What to do if it failed."""
    photos: int = 0
    """That the scores were compared on."""
    largest_difference: float = 0.0
    """Between a score of the export and that of the version, 0 to 1."""
    bytes: int = 0
    """Of the file, or of the model itself."""
    labels: int = 0
    """That went along."""
    without_embedding: int = 0
    """Labels of which neither the embedding nor the photo is there: nothing is learned from
    them."""
