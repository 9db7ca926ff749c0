"""Labels, classes and the photos that carry them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """What a person says an image shows."""

    id: int
    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    class_name: str
    created: str
    new_class: bool = False
    """No version could answer with this class when the label was made."""
    model: str = ""
    """The model that it belongs to."""


@dataclass(frozen=True)
class ClassCount:
    name: str
    labels: int
    known: bool
    """The live version can answer with it."""


@dataclass(frozen=True)
class LabelSummary:
    total: int
    since_last_run: int
    """Labels that no training run has learned from, and photos whose label was taken back since."""
    classes: list[ClassCount]
    model: str = ""


@dataclass(frozen=True)
class LabeledPhoto:
    image: str
    """SHA-256 of the normalized JPEG, in hex; `GET /images/{image}` returns it."""
    class_name: str
