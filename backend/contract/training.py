"""Training runs, and what they measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        return self not in (RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True)
class TrainingRun:
    """One attempt to learn from the labels."""

    id: str
    model: str
    state: RunState
    created: str
    finished: str | None = None
    progress: float = 0.0
    """0 to 1."""
    step: str = ""
    """What it is doing, or its result, as a sentence."""
    labels: int = 0
    version: int | None = None
    """The version that came out of it, live or not."""
    promoted: bool = False
    """That version went live when the run ended; it may have been replaced since."""
    not_promoted_because: str = ""
    """Why that version did not go live, as a sentence; empty if it did or there is none."""
    accuracy: float | None = None
    """Of that version, on held-out images of all classes."""
    base_accuracy: float | None = None
    """Of the version it started from, on the same held-out images."""
    imported_from: str = ""
    """The folder or file whose photos it read first; empty if it learned from the labels only."""


@dataclass(frozen=True)
class SkippedFile:
    """A file of an imported folder that was not learned from, and why, as a sentence."""

    path: str
    reason: str


@dataclass(frozen=True)
class Mistake:
    """A photo that the evaluation got wrong."""

    image: str
    label: str
    answered: str
    score: float
    """Of the wrong answer."""


@dataclass(frozen=True)
class EvaluationReport:
    """How good a version is, as training measured it."""

    method: str
    """`cross-validation` or `held-out photos`."""
    photos: int
    """Photos that it was measured on."""
    accuracy: float | None
    accuracy_error: float | None
    """Half of the 95% interval."""
    classes: list[str]
    photos_per_class: list[int]
    """Photos learned from, in the order of `classes`."""
    confusion: list[list[int]]
    """A row for each class that photos show, a column for each answer."""
    mistakes: list[Mistake] = field(default_factory=list)
    """The most confident ones first."""
    skipped: list[SkippedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Sentences about how an imported folder was understood."""
