"""A photo in the gallery, and what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from desktop import formats
from desktop.service_sentences import translated
from desktop.translation import tr
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


STATE_WORDS: Mapping[PhotoState, str] = {
    PhotoState.QUEUED: tr("queued"),
    PhotoState.ANSWERED: tr("answered"),
    PhotoState.UNSURE: tr("unsure"),
    PhotoState.LABELLED: tr("labelled"),
    PhotoState.FAILED: tr("failed"),
}
"""What each state is called on screen."""
_NONE_IN_FILES = "none of these"
"""How files say NONE_OF_THESE, whatever language the window speaks."""


def capitalized(words: str) -> str:
    """Return `words` as they begin a line; unlike `str.capitalize`, nouns stay as they are."""
    return words[:1].upper() + words[1:]


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
    def given_label(self) -> str:
        """What a person said for the model that answered, a class or NONE_OF_THESE; empty if
        nobody has."""
        if not self.labels:  # nearly all of 100,000
            return ""
        return self.labels.get(self.model) or self.labels.get("", "")

    @property
    def label(self) -> str:
        """Its given label as it is called on screen."""
        label = self.given_label
        return tr("none of these") if label == NONE_OF_THESE else label

    @property
    def label_in_files(self) -> str:
        """Its given label as files have it, which do not depend on the language."""
        label = self.given_label
        return _NONE_IN_FILES if label == NONE_OF_THESE else label

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

    def searched_text(self) -> str:
        """Return its name, best class and label, in lower case, a line each."""
        top = self.top
        return f"{self.name}\n{top.name if top is not None else ''}\n{self.label}".lower()

    def describe(self, unsure_below: float) -> str:
        """Return its name, answer and state as one line of text."""
        parts = [self.name]
        if self.failure is not None:
            parts.append(translated(self.failure.what))
        elif self.top is not None:
            parts.append(f"{self.top.name} {formats.percent(self.top.score)}")
        state = self.state(unsure_below)
        parts.append(
            tr("labelled {label}", label=self.label)
            if state is PhotoState.LABELLED
            else STATE_WORDS[state]
        )
        return ", ".join(parts)
