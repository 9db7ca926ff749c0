"""The service itself: what it answers for a photo, how it is, what changed."""

from __future__ import annotations

from dataclasses import dataclass

from serving.predict.prediction import Score


@dataclass(frozen=True)
class Classification:
    """Ranked classes for one image, best first."""

    model: str
    version: int
    scores: list[Score]
    milliseconds: float
    unsure: bool = False
    """A person should look at it: the photo resembles none that the classes were learned from, or,
    with a version that did not learn that, no class is half probable."""
    familiarity: float | None = None
    """0 to 1, below 0.5 unsure; None from a version that did not learn it."""


@dataclass(frozen=True)
class Health:
    status: str
    """`ok`, or a sentence that says what is missing."""
    instances_ready: int
    model: str
    live_version: int | None
    process: int
    interrupted_runs: int = 0
    """How many training runs had not ended when the backend before was killed."""


@dataclass(frozen=True)
class Event:
    """Something changed: `labels`, `training` or `models`; fetch it again."""

    topic: str
    id: str = ""
