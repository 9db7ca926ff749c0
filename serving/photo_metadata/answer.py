"""What is written into the metadata of a photo."""

from __future__ import annotations

from dataclasses import dataclass

from serving.errors import ServeryError

ROOT = "Servery"
"""The keyword above all of ours, where keywords have others above them."""
SEPARATOR = "|"
"""Between the levels of such keywords."""


class MetadataError(ServeryError):
    """The metadata of a photo cannot be read or written."""


@dataclass(frozen=True)
class AnswerMetadata:
    """The class of a photo, and who says so."""

    class_name: str
    score: float | None = None
    """0 to 1; None if a person says so."""
    model: str = ""
    version: int | None = None

    @property
    def hierarchical(self) -> str:
        """The keyword with the one above it."""
        return f"{ROOT}{SEPARATOR}{self.class_name.replace(SEPARATOR, '/')}"
