"""A photo in the gallery, and what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from desktop import formats
from serving.predict.prediction import Prediction, Score

NONE_OF_THESE = "\x00none"
"""Stands for a class in `Photo.labels`: it shows none of them. No class can be called so."""


class PhotoState(StrEnum):
    """The states of a photo; each has a state mark in the theme."""

    QUEUED = "queued"
    ANSWERED = "answered"
    UNSURE = "unsure"
    LABELLED = "labelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PhotoFailure:
    """Why a photo has no answer."""

    what: str
    advice: str
    transient: bool = False
    """Not the photo's fault: it is tried again when the fleet is ready."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One image file, the answer it got and the class that a person gave it."""

    path: Path
    name: str
    added: float
    """Seconds since the epoch."""
    prediction: Prediction | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """The class that a person gave it, by the model that learns it; under an empty name if no
    model had answered."""
    undoable: frozenset[str] = frozenset()
    """The models whose label was given since the application started."""
    failure: PhotoFailure | None = None
    waiting: bool = True
    """It is to be classified, for the first time or again."""

    @property
    def key(self) -> str:
        """Identifies it among the photos of the gallery."""
        return str(self.path)

    @property
    def model(self) -> str:
        """The model that answered, which labels are for; empty without an answer."""
        return self.prediction.model if self.prediction is not None else ""

    @property
    def label(self) -> str:
        """What a person said for the model that answered, a class or that it is none of them;
        empty if nobody has."""
        label = self.labels.get(self.model) or self.labels.get("", "")
        return "none of these" if label == NONE_OF_THESE else label

    @property
    def label_can_be_undone(self) -> bool:
        return self.model in self.undoable or (
            self.model not in self.labels and "" in self.undoable
        )

    @property
    def top(self) -> Score | None:
        """The best class; None without an answer."""
        return self.prediction.scores[0] if self.prediction and self.prediction.scores else None

    def state(self, unsure_below: float) -> PhotoState:
        """Return its one state; `unsure_below` is that of `Prediction.is_unsure`."""
        if self.failure is not None:
            return PhotoState.FAILED
        if self.label:
            return PhotoState.LABELLED
        if self.prediction is None:
            return PhotoState.QUEUED
        is_unsure = self.prediction.is_unsure(unsure_below)
        return PhotoState.UNSURE if is_unsure else PhotoState.ANSWERED

    def matches(self, text: str) -> bool:
        """Whether `text`, in lower case, is in its name, its best class or its label."""
        best = self.top.name if self.top else ""
        return any(text in words.lower() for words in (self.name, best, self.label))

    def describe(self, unsure_below: float) -> str:
        """Return its name, answer and state as one line of text."""
        parts = [self.name]
        if self.failure is not None:
            parts.append(self.failure.what)
        elif self.top is not None:
            parts.append(f"{self.top.name} {formats.percent(self.top.score)}")
        state = self.state(unsure_below)
        parts.append(f"labelled {self.label}" if state is PhotoState.LABELLED else state.value)
        return ", ".join(parts)
