"""What speaks for and against a version, in numbers: the worker counts, the gate judges.

Light to import: the backend reads it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backend.contract import ConfusedClasses
from serving.json_decode import decode


@dataclass(frozen=True)
class Shuffled:
    """How well labels fit photos, beside the same labels shuffled among these photos."""

    photos: int
    classes: int
    recall: float
    """0 to 1, each photo left out; see `permutation.py`."""
    shuffled: float
    """The mean of that with shuffled labels."""
    p: float
    """How often shuffled labels are at least as good."""


@dataclass(frozen=True)
class TaughtClass:
    """One class that the live version was not taught yet, among all that were learned."""

    name: str
    photos: int
    right: int
    """Of its photos, as many were recognized while they were left out."""
    p: float | None
    """How often shuffled labels are at least as good for this class; None if all photos that were
    learned from are of this class."""


@dataclass(frozen=True)
class TaughtPair:
    """Such a class, and the one that it is taken for most often."""

    first: str
    second: str
    photos: int
    """Of the one with fewer."""
    p: float
    """How often labels that are shuffled between the two are at least as good."""


@dataclass(frozen=True)
class Fall:
    """Right answers of the live version and of the new one, for the same photos."""

    photos: int
    before: float
    after: float
    """0 to 1: what a class finds that is taught with good reason is no fall."""
    p: float
    """How often chance alone makes a fall as large, if both are as good."""


@dataclass(frozen=True)
class ClassFall:
    """The same for the photos of one class."""

    name: str
    fall: Fall


@dataclass(frozen=True)
class Agreement:
    """Answers of both versions for photos of the pool, which nobody labelled."""

    photos: int
    changed: float
    """0 to 1: of the photos that each answers differently, but those that a new class takes and
    that look like the photos of one."""
    expected: float
    """0 to 1: as often the live version may be wrong, and so a better one differs."""
    untypical: float
    """0 to 1: as many photos of new classes among them may look like no others of these."""


@dataclass(frozen=True)
class Evidence:
    """What can be said about a version; None or empty where there are too few photos."""

    taught: Shuffled | None = None
    """All classes together that the live version was not taught yet."""
    taught_classes: tuple[TaughtClass, ...] = ()
    pairs: tuple[TaughtPair, ...] = ()
    known: Shuffled | None = None
    """All classes together that it was taught before."""
    added: Shuffled | None = None
    """The same, of photos that were labelled since."""
    recall: Fall | None = None
    """Of the classes that the live version knows, each counting the same."""
    classes: tuple[ClassFall, ...] = ()
    relabelled: Fall | None = None
    """Of photos that the live version learned from: its answers with the labels that they had
    then, and those of the new one with the labels that they have now."""
    agreement: Agreement | None = None
    confused: tuple[ConfusedClasses, ...] = ()
    """Pairs of classes of which one is taught now, the most often confused first."""

    @classmethod
    def of(cls, raw: Any) -> Evidence:
        """Return what `dataclasses.asdict` made, after JSON; raises ValueError for others."""
        return decode(cls, raw)
