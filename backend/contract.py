"""Requests and responses of the backend's HTTP service; light to import.

Every type is a plain dataclass, sent as a JSON object with the same names.
Images travel as multipart form files named `file` (with the class as the form's
field `class`), or as the whole body (with the class in the query). Errors are
`{"error": "<what happened>", "advice": "<what to do>"}` with a status code: 400
unusable request, 403 another web site, 404 no such thing, 408 too slow, 409
conflict, 413 too large, 415 not an image, 422 damaged (a version too), 503 no ready
instance.

A label sent with the header `Idempotency-Key` may be sent again with the same
key: it is stored once, and the second response is 200 with the first label.

    POST /classify?model=         file            -> Classification
    POST /labels?model=           file, class     -> Label (201, after it is on disk)
    DELETE /labels/{id}                           -> 204 (undo)
    GET  /labels?model=                           -> LabelSummary
    POST /training?model=                         -> TrainingRun (202)
    GET  /training?model=                         -> [TrainingRun], of every model without one
    GET  /training/{id}                           -> TrainingRun
    DELETE /training/{id}                         -> TrainingRun (cancelled)
    GET  /models                                  -> [ModelSummary], the current one first
    POST /models                  NewModel        -> ModelSummary (201)
    GET  /models/{model}                          -> ModelSummary
    PATCH /models/{model}         ModelChange     -> ModelSummary
    DELETE /models/{model}                        -> DeletedModel
    GET  /deleted                                 -> [DeletedModel], the last one first
    POST /deleted/{token}/restore                 -> ModelSummary
    POST /models/{model}/duplicate  {"name"}      -> ModelSummary (201)
    POST /models/{model}/use                      -> ModelSummary, once it is the current one
    PUT  /models/{model}/served                   -> ModelSummary, once it is loaded
    DELETE /models/{model}/served                 -> ModelSummary
    POST /models/{model}/import   {"folder"}, or a zip file -> TrainingRun (202)
                                  (`?name=` says what people call the zip file)
    GET  /models/{model}/photos?count=            -> [LabeledPhoto]
    POST /models/{model}/compare  {"versions", "images", "files"} -> [Comparison]
                                  (`files` are paths on the backend's machine, for
                                  requests from it; without both, all labelled photos)
    GET  /models/{model}/versions                 -> [VersionSummary]
    POST /models/{model}/versions/{n}/promote     -> VersionSummary
    PUT, DELETE /models/{model}/versions/{n}/pinned -> VersionSummary
    DELETE /models/{model}/versions/{n}           -> 204
    POST /models/{model}/versions/{n}/verify      -> Verification
    GET  /models/{model}/versions/{n}/report      -> EvaluationReport
    GET  /images/{sha256}?side=                   -> the photo, a JPEG file, its shorter
                                                     side that many pixels
    GET  /built-in                                -> [BuiltInSummary]
    POST /built-in/{name}                         -> ModelSummary (201)
    GET  /health                                  -> Health
    GET  /readyz                                  -> Health, if a photo could be classified now
    GET  /events                                  -> server-sent events: Event
    GET  /                                        -> the web page
    GET  /openapi.json                            -> this, as a schema

Without `model`, the current one is meant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from serving.predict.prediction import Score
from serving.units import format_bytes, parse_bytes

DEFAULT_PORT = 8080
EXIT_ALREADY_RUNNING = 3
"""The exit code of a backend that found another one serving its workspace."""

DEFAULT_MEMORY_BUDGET = 512 * 2**20
"""Bytes that photos in flight may take."""
LEAST_MEMORY_BUDGET = 128 * 2**20
"""With less, photos of ordinary cameras would not fit."""


def parse_memory_budget(text: str) -> int:
    """Return what `--memory-budget` says, in bytes; raises ValueError with a sentence."""
    size = parse_bytes(text)
    if size < LEAST_MEMORY_BUDGET:
        raise ValueError(f"At least {format_bytes(LEAST_MEMORY_BUDGET)} are needed.")
    return size


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
    accuracy_error: float | None = None
    """Half of the 95% interval of the accuracy."""
    labels: int = 0
    """Labelled photos that it learned from."""
    size_bytes: int = 0
    """Of its files on disk."""
    pinned: bool = False
    has_report: bool = False
    fault: str = ""
    """Why it cannot be served, as a sentence; empty if nothing is known against it."""
    fault_advice: str = ""
    """What can be done about that, as a sentence."""
    needs_trust: bool = False
    """It cannot be served only because nobody has said that it is trusted; see `TrustSummary`."""
    trusted: bool = False
    """A person has said that it may do more than compute."""


@dataclass(frozen=True)
class TrustSummary:
    """Whether a version may be loaded although it can do more than compute."""

    model: str
    version: int
    unsafe_parts: list[str]
    """What it could reach files, the network or other programs with, if nobody trusts it."""


@dataclass(frozen=True)
class ModelSummary:
    name: str
    live_version: int | None
    versions: list[VersionSummary] = field(default_factory=list)
    """Newest first."""
    current: bool = False
    """Answers when no model is named."""
    served: bool = False
    """Every instance loads it."""
    class_count: int = 0
    """Classes that the live version answers with."""
    labels: int = 0
    """Labelled photos."""
    accuracy: float | None = None
    """Of the live version."""
    accuracy_error: float | None = None
    """Half of its 95% interval."""
    backbone: str = ""
    keeps_backbone_classes: bool = True
    size_bytes: int = 0
    """Of all its versions on disk."""
    memory_bytes: int | None = None
    """What it takes in an instance, if it was ever measured."""
    fallback_version: int | None = None
    """The version that answers in place of the live one, which has a fault."""
    keep_versions: int = 10
    description: str = ""
    attribution: str = ""
    """Licence and origin of the live version, for people to read."""


@dataclass(frozen=True)
class BuiltInSummary:
    """A model that comes with Servery."""

    name: str
    title: str
    description: str
    installed: bool
    accuracy: float | None = None
    """Top-1 on ImageNet, as published."""
    attribution: str = ""


@dataclass(frozen=True)
class NewModel:
    name: str
    backbone: str
    """A built-in model, or one of the workspace, whose network it uses."""
    keep_classes: bool = False
    """It begins with the classes of the backbone; otherwise with none."""


@dataclass(frozen=True)
class ModelChange:
    """What is to be changed; None leaves it."""

    name: str | None = None
    keep_versions: int | None = None


@dataclass(frozen=True)
class DeletedModel:
    name: str
    token: str
    """For `POST /deleted/{token}/restore`, until the backend ends."""
    versions: int
    labels: int


@dataclass(frozen=True)
class Verification:
    """Whether the files of a version are those that were added."""

    model: str
    version: int
    recorded: bool
    """False for a version of an older Servery, which recorded no checksums."""
    changed: list[str]
    """Files that are missing, new or differ."""


@dataclass(frozen=True)
class LabeledPhoto:
    image: str
    """SHA-256 of the normalized JPEG, in hex; `GET /images/{image}` returns it."""
    class_name: str


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


@dataclass(frozen=True)
class Comparison:
    """What two versions answer for one photo."""

    image: str
    label: str
    """What a person says it shows; empty if nobody did."""
    answers: list[str]
    scores: list[float]
    file: str = ""
    """The path that the photo was given by; empty for a stored one."""


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
