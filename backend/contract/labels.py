"""Labels, classes and the photos that carry them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class LabelKind(StrEnum):
    """What sort of thing a person says of a photo."""

    CLASS = "class"
    """It shows this class."""
    NONE = "none"
    """It shows none of the classes, and none that should become one."""
    SKIP = "skip"
    """Nothing for now; a label that the photo has already stays."""


@dataclass(frozen=True)
class Label:
    """What a person says an image shows."""

    id: int
    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    class_name: str
    """Empty unless `kind` is CLASS."""
    created: str
    new_class: bool = False
    """No version could answer with this class when the label was made."""
    model: str = ""
    """The model that it belongs to."""
    kind: LabelKind = LabelKind.CLASS
    by: str = ""
    """Who said it; empty if that is not known."""
    action: int = 0
    """The LabelAction that it was given in."""
    known_as: str = ""
    """The class of the live version that has `class_name` as another name, if there is one:
    perhaps this was meant. Empty in every answer but that of `POST /labels`."""


@dataclass(frozen=True)
class LabelAction:
    """The labels that a person gave at once, which are undone at once too."""

    id: int
    created: str
    by: str
    class_name: str
    """Empty unless `kind` is CLASS, and if the photos were given different classes."""
    kind: LabelKind
    images: list[str] = field(default_factory=list)
    """At most 1,000 of them."""
    count: int = 0
    """How many images it labelled."""
    undone: bool = False
    """None of its labels counts any more."""
    model: str = ""


@dataclass(frozen=True)
class BatchLabel:
    """One statement about many photos that the backend has."""

    images: list[str]
    """SHA-256 of the normalized JPEGs, in hex; at most 10,000."""
    class_name: str = ""
    """Needed if `kind` is CLASS, otherwise empty."""
    kind: LabelKind = LabelKind.CLASS
    by: str = ""
    """Who says so; empty for the user who sends it."""
    model: str = ""
    """Empty for the current one."""
    settles: bool = False
    """It outweighs what others have said of these photos before."""
    said_at: str = ""
    """When it was said, ISO 8601 with a time zone; empty for now. What was done to the class since
    is done to the labels."""


@dataclass(frozen=True)
class Conflict:
    """A photo of which two people say different things; nothing is learned from it."""

    image: str
    labels: list[Label]
    """The last one of each person, newest first."""


@dataclass(frozen=True)
class ClassCount:
    name: str
    labels: int
    known: bool
    """The live version can answer with it."""


@dataclass(frozen=True)
class LabelSummary:
    total: int
    """Photos that are labelled with a class."""
    since_last_run: int
    """Labels that no training run has learned from, and photos whose label was taken back since."""
    classes: list[ClassCount]
    model: str = ""
    none: int = 0
    """Photos that show none of the classes."""
    conflicts: int = 0
    """Photos that two people label differently; they count nowhere else."""


@dataclass(frozen=True)
class LabeledPhoto:
    image: str
    """SHA-256 of the normalized JPEG, in hex; `GET /images/{image}` returns it."""
    class_name: str


@dataclass(frozen=True)
class PoolPhoto:
    """A photo that was classified and may be labelled later."""

    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    added: bool
    """It was not in the pool before."""


@dataclass(frozen=True)
class PoolSummary:
    """Photos that were classified, of which training can learn without labels."""

    photos: int
    unlabelled: int
    model: str = ""
