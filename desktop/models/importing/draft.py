"""What is known about a model file, and what a person says about it; knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from serving.importing.interface import (
    Corrections,
    ImportRequest,
    Interface,
    ModelInspection,
    Preview,
)

MAX_PHOTOS = 8
"""Photos that a model is tried with."""


@dataclass(frozen=True)
class ImportDraft:
    """An import that a person is preparing."""

    path: Path
    found: ModelInspection | None = None
    """None until the file was looked at, and if it is no model."""
    corrections: Corrections = field(default_factory=Corrections)
    labels_path: Path | None = None
    """The file of labels that the person chose."""
    trust: bool = False
    all_versions: bool = False
    photos: tuple[Path, ...] = ()
    previews: tuple[Preview, ...] = ()
    """Answers for `photos`; those of an earlier state while `step` says that it works."""
    step: str = ""
    """What is going on, a sentence; empty if nothing is."""
    is_looking: bool = False
    """The file is being looked at; `found` is of an earlier state."""
    progress: float | None = None
    """Of the import, 0 to 1; None while none runs."""
    problem: str = ""
    advice: str = ""
    """Why the last thing that was tried failed."""

    @property
    def request(self) -> ImportRequest:
        return ImportRequest(
            str(self.path),
            str(self.labels_path or ""),
            self.corrections,
            self.trust,
            self.all_versions,
        )

    @property
    def interface(self) -> Interface | None:
        """What the model takes and gives, with what the person says about it."""
        if self.found is None or self.found.interface is None:
            return None
        said = {name: getattr(self.corrections, name) for name in self.said if name != "signature"}
        guessed = tuple(name for name in self.found.interface.guessed if name not in said)
        return replace(self.found.interface, **said, guessed=guessed)

    @property
    def said(self) -> tuple[str, ...]:
        """Names of the facts that the person corrected."""
        return tuple(
            each.name
            for each in fields(self.corrections)
            if getattr(self.corrections, each.name) is not None
        )

    def is_guessed(self, *facts: str) -> bool:
        """Whether one of these facts about the interface is a guess that nobody corrected."""
        interface = self.interface
        if interface is None or any(name in self.said for name in facts):
            return False
        return any(name in interface.guessed for name in facts)

    @property
    def needs_trust(self) -> bool:
        """Whether nothing more is known of it until the person trusts it."""
        return self.found is not None and bool(self.found.unsafe_operations) and not self.trust

    @property
    def can_import(self) -> bool:
        """Whether nothing but a name is missing."""
        return (
            self.interface is not None
            and self.found is not None
            and self.found.labels is not None
            and not self.found.problems
            and not self.is_looking
            and self.progress is None
        )
