"""One version of a model, as it is in the model repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serving.errors import ModelError, reading_error
from serving.models.card import ModelCard
from serving.models.checksums import changed_files


@dataclass(frozen=True)
class Version:
    """One immutable SavedModel. Its methods read files: call them off an event loop."""

    model: str
    number: int
    path: Path

    def card(self) -> ModelCard:
        """Read the version's model card; raises ModelError."""
        return ModelCard.read(self.path)

    def changed_files(self) -> list[str] | None:
        """Return which files changed since the version was added, by name.

        None if it was added by a Servery that recorded no checksums. Raises ModelError if it
        cannot be read.
        """
        try:
            return changed_files(self.path)
        except OSError as error:
            raise reading_error(
                error,
                f"Version {self.number} of {self.model}",
                "Check the disk, and promote another version.",
                ModelError,
            ) from error

    def size(self) -> int:
        """Return how many bytes its files have."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())
