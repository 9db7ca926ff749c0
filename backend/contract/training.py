"""Training runs, and what they measured."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from backend.contract.teaching import Outlook

MAX_AFTER_LABELS = 10_000
MIN_QUIET_SECONDS = 5
MAX_QUIET_SECONDS = 7 * 24 * 3600


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        return self not in (RunState.QUEUED, RunState.RUNNING)


class Decision(StrEnum):
    """What became of the version that a training run made."""

    PROMOTED = "promoted"
    HELD_BACK = "held_back"
    CANARY = "canary"
    """It answers a share of the requests, until that decides."""
    UNDECIDED = ""
    """There is no version, or none yet."""


class Rule(StrEnum):
    """Why a decision was made so."""

    NONE = ""
    PASSED = "passed"
    """It is better where it matters, or as good."""
    PERSON = "person"
    """A person said so."""
    OLD_RECALL = "old_recall"
    """It finds fewer photos of the classes that were known before."""
    OLD_LABELS = "old_labels"
    """Labels of classes that were known before fit their photos no better than random ones."""
    OLD_CLASS_LOST = "old_class_lost"
    """It finds fewer photos of one class that was known before."""
    AGREEMENT = "agreement"
    """It answers too differently for photos that nobody labelled."""
    NEW_NOT_LEARNED = "new_not_learned"
    """It cannot tell classes apart that were taught."""
    AUTOMATIC_OFF = "automatic_off"
    """It passed, but a person wants to promote versions."""
    OTHER_PROMOTED = "other_promoted"
    """Another version went live while it was made, or was a canary."""
    CANARY_FAILED = "canary_failed"
    """As a canary, it did not answer requests that the live version answered."""
    CANARY_SLOWER = "canary_slower"
    """As a canary, it took clearly longer."""
    CANARY_LABELS = "canary_labels"
    """People labelled photos that it answered as a canary: right where the live one was wrong, or
    the reverse."""
    CANARY_AGREEMENT = "canary_agreement"
    """As a canary, it agreed with the live version as often as is required, or too seldom."""
    CANARY_TIME = "canary_time"
    """The time of the canary was up; what had been counted by then decided."""
    CANARY_NOT_LOADED = "canary_not_loaded"
    """Not every instance loaded it, to begin as a canary."""
    CANARY_GONE = "canary_gone"
    """As a canary, it should have gone live, but its files were gone."""


class StartedBy(StrEnum):
    """Why a training run began."""

    PERSON = "person"
    COUNT = "count"
    """There were enough new labels."""
    QUIET = "quiet"
    """Nobody had labelled for a while."""


@dataclass(frozen=True)
class ConfusedClasses:
    """Two classes that a version cannot tell apart."""

    first: str
    second: str
    images: list[str]
    """SHA-256 of photos of either that it took for the other, the most confident first."""


@dataclass(frozen=True)
class TrainingSettings:
    """When a model is trained without being asked, and whether the result goes live so."""

    automatic: bool = True
    """Training begins by itself."""
    promote: bool = True
    """What passes the gate goes live by itself; otherwise it waits for a person."""
    after_labels: int = 20
    """Training begins once so many labels are new."""
    quiet_seconds: int = 60
    """With fewer, it begins once nobody has labelled for so long."""

    @property
    def fault(self) -> str:
        """Why these settings cannot be used, as a sentence; empty if they can."""
        if not 1 <= self.after_labels <= MAX_AFTER_LABELS:
            return f"The number of labels must be between 1 and {MAX_AFTER_LABELS:,}."
        if not MIN_QUIET_SECONDS <= self.quiet_seconds <= MAX_QUIET_SECONDS:
            return (
                f"The quiet time must be between {MIN_QUIET_SECONDS} and"
                f" {MAX_QUIET_SECONDS:,} seconds."
            )
        return ""


@dataclass(frozen=True)
class NetworkComparison:
    """A fine-tuned network beside the one it came from, on photos that neither learned from."""

    photos: int
    before: float
    """Share of right answers of the network as it was, 0 to 1."""
    after: float
    """That of the fine-tuned one."""
    p: float
    """How often chance alone makes a gain as large."""


@dataclass(frozen=True)
class FineTuningOffer:
    """Whether the network of a model can be fine-tuned now, and what that takes."""

    because: str
    """Why it cannot, as a sentence; empty if it can."""
    advice: str
    """What to do about that, as another sentence."""
    labels: int
    """Photos that it would learn from."""
    seconds: float | None
    """About how long it would take on this machine; None if it cannot be done."""

    @property
    def possible(self) -> bool:
        return not self.because


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
    decision: Decision = Decision.UNDECIDED
    """The last one about that version."""
    promoted: bool = False
    """Whether that was to promote it: for programs that read no decisions."""
    rule: Rule = Rule.NONE
    """Why it was decided so."""
    decided_by: str = ""
    """`gate`, or the name of a person; empty if that is not known."""
    decided: str | None = None
    """When; UTC, ISO 8601."""
    started_by: StartedBy = StartedBy.PERSON
    confused: list[ConfusedClasses] = field(default_factory=list)
    """Classes that the version cannot tell apart, if that held it back."""
    not_promoted_because: str = ""
    """Why that version did not go live when the run ended, for people to read; empty if it did or
    there is none."""
    accuracy: float | None = None
    """Of that version, on held-out images of all classes."""
    base_accuracy: float | None = None
    """Of the version it started from, on the same held-out images."""
    imported_from: str = ""
    """The folder or file whose photos it read first; empty if it learned from the labels only."""
    fine_tunes: bool = False
    """It trains the last blocks of the network too; without a gain there is no version."""
    networks: NetworkComparison | None = None
    """What fine-tuning brought; None before that was measured."""

    def with_decision(self, decision: Decision, rule: Rule, by: str, when: str) -> TrainingRun:
        """The same with what was decided about its version."""
        return replace(
            self,
            decision=decision,
            promoted=decision is Decision.PROMOTED,
            rule=rule,
            decided_by=by,
            decided=when,
        )


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
class PhotoAnswer:
    """What a version answered for a photo that it was measured on, rightly or not."""

    image: str
    label: str
    answered: str
    score: float
    """Of the answer."""


@dataclass(frozen=True)
class Certainty:
    """How far a version's scores can be trusted; shares from 0 to 1.

    All was measured on labelled photos while they were left out. None where photos were too few.
    """

    photos: int
    """How many those were."""
    calibration_error_before: float | None = None
    """Expected calibration error of the scores as they were learned: by how much scores and the
    share of right answers differ."""
    calibration_error: float | None = None
    """That of the calibrated scores."""
    calibration_error_by_chance: float | None = None
    """What scores that are exactly right would have with so few photos."""
    temperature: float | None = None
    """What logits were divided by to calibrate them; 1 in a model that keeps the classes of its
    backbone, of which there are no photos."""
    marked_unsure: float | None = None
    """Share that the learned threshold marks as unsure; None if the version learned none, and
    answers are unsure by their scores alone."""
    none_marked_unsure: float | None = None
    """Share of the photos labelled as none of the classes that it marks."""


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
    certainty: Certainty | None = None
    """None in versions of an older Servery."""
    outlook: Outlook | None = None
    """What more labels are expected to bring; None if there are too few to tell."""
