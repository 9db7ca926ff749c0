"""What the program that exports versions is asked; imports nothing that it needs."""

from __future__ import annotations

from dataclasses import dataclass

from serving.exporting.formats import ExportFormat

PROGRAM = "serving.exporting.program"


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and where to."""

    version_folder: str
    format: ExportFormat
    target: str
    umask: int
    """Of the person, for what is written."""
    photos: list[str]
    """Normalized JPEG files that the scores are compared on."""
    replace: bool = False
