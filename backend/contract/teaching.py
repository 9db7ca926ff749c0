"""What is worth labelling next, and which labels are in doubt."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from serving.predict.prediction import Score


class QueueReason(StrEnum):
    """Why a photo is worth a label now."""

    TYPICAL = "typical"
    """Many photos without a label look like it, and none with one."""
    RARE = "rare"
    """It seems to show a class that has few labels."""
    UNCERTAIN = "uncertain"
    """What it shows, and what others like it show, is not clear."""
    REPEATED = "repeated"
    """It is nearly the same as a photo that has a label, or comes before it."""
    SKIPPED = "skipped"
    """A person said before that it is nothing for now."""
    UNSEEN = "unseen"
    """The network has not looked at it yet, so that nothing is known of it."""


class IssueKind(StrEnum):
    """What is wrong with a labelled photo."""

    CONTRADICTED = "contradicted"
    """All other labels together say that it shows another class."""
    DUPLICATE = "duplicate"
    """A photo that is nearly the same has another label."""
    DARK = "dark"
    BLURRED = "blurred"
    EMPTY = "empty"
    """All of it has nearly one colour."""


@dataclass(frozen=True)
class QueueItem:
    """A photo without a label."""

    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    reason: QueueReason
    text: str
    """The reason as a sentence."""
    scores: list[Score] = field(default_factory=list)
    """What it probably shows, best first; empty while fewer than two classes have labels."""
    near_duplicates: list[str] = field(default_factory=list)
    """Other photos without a label that are nearly the same; they come last in the queue."""


@dataclass(frozen=True)
class Cluster:
    """Photos without a label that look alike, to be named together."""

    id: int
    """From 1, the group that is best worth naming first."""
    images: list[str]
    """SHA-256 of each, the most typical one first."""
    suggestion: str = ""
    """The class that they probably show; empty if there is no such class yet."""
    score: float = 0.0
    """Of the suggestion, 0 to 1: the mean of its photos'."""


@dataclass(frozen=True)
class LabelIssue:
    """A labelled photo that should be looked at again."""

    image: str
    class_name: str
    """Its label."""
    suggested: str
    """The class that it should have instead; empty if the photo itself is the fault."""
    score: float
    """How sure that is, 0 to 1."""
    kind: IssueKind
    other: str = ""
    """For DUPLICATE, the photo that is nearly the same, whose label is `suggested`."""


@dataclass(frozen=True)
class Outlook:
    """What more labels are expected to bring."""

    labels_per_class_added: int
    gain: float
    """Of the share of photos that are answered right."""
    low: float
    high: float
    """Between which the gain is in four of five cases."""
