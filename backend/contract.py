"""Requests and responses of the backend's HTTP service; light to import.

Every type is a plain dataclass, sent as a JSON object with the same names.
Images travel as multipart form files named `file` (with the class as the form's
field `class`), or as the whole body (with the class in the query). Errors are
`{"error": "<what happened>", "advice": "<what to do>"}` with a status code: 400
unusable request, 403 another web site, 404 no such thing, 408 too slow, 409
conflict, 413 too large, 415 not an image, 422 damaged, 503 no ready instance.

A label sent with the header `Idempotency-Key` may be sent again with the same
key: it is stored once, and the second response is 200 with the first label.

    POST /classify            file            -> Classification
    POST /labels              file, class     -> Label (201, after it is on disk)
    DELETE /labels/{id}                       -> 204 (undo)
    GET  /labels                              -> LabelSummary
    POST /training                            -> TrainingRun (202)
    GET  /training, /training/{id}            -> [TrainingRun], TrainingRun
    DELETE /training/{id}                     -> TrainingRun (cancelled)
    GET  /models                              -> [ModelSummary]
    GET  /models/{model}/versions             -> [VersionSummary]
    POST /models/{model}/versions/{n}/promote -> VersionSummary
    GET  /health                              -> Health
    GET  /events                              -> server-sent events: Event
    GET  /                                    -> the web page
    GET  /openapi.json                        -> this, as a schema
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from serving.predict.prediction import Score

DEFAULT_PORT = 8080
EXIT_ALREADY_RUNNING = 3
"""The exit code of a backend that found another one serving its workspace."""


@dataclass(frozen=True)
class Classification:
    """Ranked classes for one image, best first."""

    model: str
    version: int
    scores: list[Score]
    milliseconds: float


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
    """Labels that no training run has learned from."""
    classes: list[ClassCount]


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


@dataclass(frozen=True)
class VersionSummary:
    model: str
    number: int
    live: bool
    created: str
    accuracy: float | None
    measured_on: str
    classes: list[str]
    base_version: int | None = None
    training_run: str | None = None


@dataclass(frozen=True)
class ModelSummary:
    name: str
    live_version: int | None
    versions: list[VersionSummary] = field(default_factory=list)


@dataclass(frozen=True)
class Health:
    status: str
    """`ok`, or a sentence that says what is missing."""
    instances_ready: int
    model: str
    live_version: int | None
    process: int


@dataclass(frozen=True)
class Event:
    """Something changed: `labels`, `training` or `models`; fetch it again."""

    topic: str
    id: str = ""
