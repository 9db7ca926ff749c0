"""The service itself: what it answers for a photo, how it is, what changed."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from serving.predict.prediction import Score


@dataclass(frozen=True)
class Explanation:
    """What in a photo speaks for one class: parts of it were covered in turn, and the model asked
    again."""

    class_name: str
    score: float
    """Of the whole photo, 0 to 1. It was made smaller for this, so this may differ from
    the score in the answer."""
    lowest: float
    """With the part covered that takes the most from it."""
    importances: list[list[float]]
    """[rows][columns] of equal parts, from the upper left, -1 to 1: above 0 a part speaks for the
    class, below 0 against it. As shares of `scale`."""
    scale: float
    """By how much the log-odds of the class, ln(score / (1 - score)), fall when a part of
    importance 1 is covered."""


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
    image: str = ""
    """The SHA-256 of the photo as the backend would keep it: a label may name it by this."""
    explanation: Explanation | None = None
    """If it was asked for."""


@dataclass(frozen=True)
class ProblemDetails:
    """An error, as RFC 9457 describes them (`application/problem+json`)."""

    type: str
    """`urn:servery:` and the kind of the error, or `about:blank` if its status says all."""
    title: str
    status: int
    detail: str
    """What happened, as a sentence."""
    advice: str
    """What to do about it, as a sentence."""


@dataclass(frozen=True)
class ClassifiedFile:
    """One of several photos: `result`, or the `problem` why there is none."""

    file: str
    """The name that it was sent with; may be empty."""
    result: Classification | None = None
    problem: ProblemDetails | None = None


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
    """Something changed: `labels`, `training` or `models`; fetch it again.

    After `missed`, fetch everything again.
    """

    topic: str
    id: str = ""


_PLACE = ("host", "hostaddr", "port", "dbname", "options", "service")
"""The parameters of a database's URL that say which one it is, not who uses it and how."""


def database_name(url: str) -> str:
    """Return which database a URL names, without user and password; empty for an empty one."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        place = [f"{key}={value}" for key, value in parse_qsl(parts.query) if key in _PLACE]
        return f"{parts.hostname or ''}{port}{parts.path}?{'&'.join(place)}".rstrip("?")
    except ValueError:
        return ""
