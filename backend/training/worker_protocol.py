"""The messages between the trainer and its worker process.

The trainer writes a TrainingSpec to a file and passes its path on the worker's
command line, or to its standard input as a line, a JSON string. The worker writes one JSON
object a line to its standard output: any number of `progress` and `photos`, then one `result`
or one `failure`. The fine-tuning program does the same, and ends with `fine_tuned` or `failure`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backend.contract import NetworkComparison
from backend.training.evidence import Evidence
from serving.files import write_aside

LOG_NAME = "worker.log"
"""In the folder of a training run: what its worker and the libraries printed."""
AHEAD_NAME = "ahead.json"
"""The spec file of what is embedded before a run asks for it; beside the folders of runs."""
STAY = "--stay"
"""The option with which a worker reads the paths of spec files from its standard input."""
REPORT_PATH = Path("assets.extra") / "report.json"
"""Where the worker writes its EvaluationReport, inside the new version."""


@dataclass(frozen=True)
class LabeledImage:
    """One image to learn from."""

    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    path: str
    class_name: str
    held_out: bool = False
    """Never learned from: it belongs to the test part of an imported folder."""


@dataclass(frozen=True)
class StoredImage:
    """One image of which no class is known."""

    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    path: str


@dataclass(frozen=True)
class TrainingSpec:
    """Everything that one training run depends on; equal specs give equal versions."""

    run_id: str
    base_version: int
    base_folder: str
    staging_folder: str
    """An empty folder, for the new version."""
    embeddings_folder: str
    """Where embeddings are cached from run to run."""
    images: tuple[LabeledImage, ...]
    """Labelled before the run began."""
    images_ever_labeled: tuple[str, ...]
    """Images whose labels the store knows; what the base version learned from others
    (labelled in another workspace) is kept."""
    import_folder: str = ""
    """A folder with one folder a class, whose photos are labelled first; empty without one."""
    images_folder: str = ""
    """Where images are stored that are labelled; needed with `import_folder`."""
    unlabelled: tuple[StoredImage, ...] = ()
    """The pool: photos that were classified and that nobody labelled, the newest first."""
    none: tuple[StoredImage, ...] = ()
    """Photos that show none of the classes, as a person said."""
    only_embeds: bool = False
    """Nothing is learned or answered: the next run finds the embeddings of `images`."""
    tuned_file: str = ""
    """The `tuned.npz` whose network the new version gets; empty for that of the base version."""

    def write(self, path: Path) -> None:
        # Whole or not at all: the worker may be reading the one before.
        write_aside(path, json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, path: Path) -> TrainingSpec:
        raw = json.loads(path.read_text())
        raw["images"] = tuple(LabeledImage(**image) for image in raw["images"])
        raw["images_ever_labeled"] = tuple(raw["images_ever_labeled"])
        for name in ("unlabelled", "none"):
            raw[name] = tuple(StoredImage(**image) for image in raw[name])
        return cls(**raw)


@dataclass(frozen=True)
class Evaluation:
    """Shares of images that are classified right by a head that did not learn from them.

    0 to 1; None without images.
    """

    images: int
    accuracy: float | None
    base_accuracy: float | None
    """Of the version that training started from, on the same images."""
    old_images: int
    """Those of classes that the base version could answer with."""
    old_accuracy: float | None
    old_base_accuracy: float | None
    accuracy_error: float | None = None
    """Half of the 95% interval of `accuracy`."""


@dataclass(frozen=True)
class TrainingProgress:
    progress: float
    """0 to 1."""
    step: str


@dataclass(frozen=True)
class ReadPhoto:
    """A photo of an imported folder."""

    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    class_name: str
    held_out: bool


@dataclass(frozen=True)
class PhotosRead:
    """Photos that are in the images' folder now, so that their labels can be stored."""

    photos: tuple[ReadPhoto, ...]


@dataclass(frozen=True)
class TrainingResult:
    """A new version is in the staging folder, checked."""

    evaluation: Evaluation
    learned_images: int
    unreadable_images: int
    skipped: int = 0
    """Files of the imported folder that were not learned from; the report says why."""
    evidence: Evidence | None = None
    """What the gate judges by; None for a version of an older Servery."""


@dataclass(frozen=True)
class TrainingFailure:
    """There is no new version, and why."""

    what: str
    advice: str


@dataclass(frozen=True)
class FineTuned:
    """The fine-tuning program has compared, and written `tuned_file` if the network is better."""

    comparison: NetworkComparison
    better: bool
    """The gain is more than chance."""
    unreadable_images: int


Message = TrainingProgress | PhotosRead | TrainingResult | FineTuned | TrainingFailure
_KINDS: dict[str, type[Message]] = {
    "progress": TrainingProgress,
    "photos": PhotosRead,
    "result": TrainingResult,
    "fine_tuned": FineTuned,
    "failure": TrainingFailure,
}


def to_line(message: Message) -> str:
    """Return a message as one line, with its line break."""
    kind = next(name for name, kind in _KINDS.items() if isinstance(message, kind))
    return json.dumps({"kind": kind, **asdict(message)}) + "\n"


def from_line(line: bytes) -> Message | None:
    """Return the message in a line, or None for anything else, which a library printed."""
    try:
        raw: dict[str, Any] = json.loads(line)
        kind = _KINDS[raw.pop("kind")]
        if kind is TrainingResult:
            raw["evaluation"] = Evaluation(**raw["evaluation"])
            if raw.get("evidence") is not None:
                raw["evidence"] = Evidence.of(raw["evidence"])
        if kind is FineTuned:
            raw["comparison"] = NetworkComparison(**raw["comparison"])
        if kind is PhotosRead:
            raw["photos"] = tuple(ReadPhoto(**photo) for photo in raw["photos"])
        return kind(**raw)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
