"""Versions of models."""

from __future__ import annotations

from dataclasses import dataclass

from serving.predict.prediction import Score


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
class Verification:
    """Whether the files of a version are those that were added."""

    model: str
    version: int
    recorded: bool
    """False for a version of an older Servery, which recorded no checksums."""
    changed: list[str]
    """Files that are missing, new or differ."""


@dataclass(frozen=True)
class Comparison:
    """What two versions answer for one photo."""

    image: str
    label: str
    """What a person says it shows; empty if nobody did."""
    answers: list[str]
    """Of each version; empty for a photo that cannot be read."""
    scores: list[float]
    file: str = ""
    """The path that the photo was given by; empty for a stored one."""
    problem: str = ""
    """Why it cannot be read, as a sentence; empty if it can."""


@dataclass(frozen=True)
class FilePaths:
    files: list[str]
    """Absolute paths on the machine of the backend, 1,000 at most."""


@dataclass(frozen=True)
class FilePrediction:
    """What one version answers for one file."""

    file: str
    scores: list[Score]
    """The five best classes; empty for a file that cannot be read."""
    problem: str = ""
    """Why it cannot be read, as a sentence; empty if it can."""


@dataclass(frozen=True)
class FilePredictions:
    predictions: list[FilePrediction]
    """In the order of the files."""
