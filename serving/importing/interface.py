"""What a model from elsewhere takes and gives: facts that a person can correct."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class ModelFormat(StrEnum):
    """What a path holds."""

    KERAS = "keras"
    """A `.keras` file, which Keras 3 writes."""
    KERAS_H5 = "keras_h5"
    """A `.h5` file of Keras 2 or 3, with the architecture in it."""
    SAVED_MODEL = "saved_model"
    SERVING_FOLDER = "serving_folder"
    """A folder with a SavedModel for each version, as TensorFlow Serving reads it."""
    TEACHABLE_MACHINE = "teachable_machine"
    LOBE = "lobe"
    SERVERY_VERSION = "servery_version"
    """A version of a Servery, which answers the servable contract as it is."""


class InputKind(StrEnum):
    """What the input of a model is made of."""

    FLOAT = "float"
    UINT8 = "uint8"
    JPEG = "jpeg"
    """Whole files: it decodes and resizes by itself."""


class ValueRange(StrEnum):
    """How the brightness of a pixel, 0 to 255, is given to the network."""

    BYTES = "0..255"
    UNIT = "0..1"
    SIGNED = "-1..1"
    IMAGENET = "imagenet"
    """0 to 1, less ImageNet's mean color, divided by its deviation: as PyTorch's models."""
    CAFFE = "caffe"
    """0 to 255, less ImageNet's mean color: as VGG and the first ResNets of Keras."""


class Channels(StrEnum):
    """What the channels of the input are, in their order."""

    RGB = "rgb"
    BGR = "bgr"
    GRAY = "gray"


class Resize(StrEnum):
    """How a photo becomes the size of the input."""

    CROP = "crop"
    """The shorter side fits; what is beyond at the longer side is cut off."""
    STRETCH = "stretch"
    PAD = "pad"
    """The longer side fits; black fills the rest."""


class OutputKind(StrEnum):
    """What the output of a model is."""

    SCORES = "scores"
    LOGITS = "logits"
    """Their softmax is the scores."""


@dataclass(frozen=True)
class Interface:
    """What a model takes and gives. Without `guessed`, all of it stands in the file."""

    signature: str
    """Which of the file's signatures it is; empty for a format without any."""
    takes: InputKind
    height: int | None
    """Pixels; None if the model takes photos of any size, or whole files."""
    width: int | None
    value_range: ValueRange
    channels: Channels
    resize: Resize
    gives: OutputKind
    classes: int
    exclusive: bool = True
    """Scores of one photo sum up to 1; otherwise each class has a score of its own, 0 to 1."""
    embedding_size: int | None = None
    """Length of what the last layer before the classes sees; None if there is no such layer, and
    the scores themselves take its place."""
    guessed: tuple[str, ...] = ()
    """Names of the fields that the file does not state, for a person to check."""


@dataclass(frozen=True)
class ModelInspection:
    """What was found in a file, before anything is imported."""

    format: ModelFormat
    interface: Interface | None
    """None if there are `problems`, or `unsafe_operations` that nobody trusts."""
    labels: tuple[str, ...] | None = None
    """Names of the classes in the order of the outputs; None if the file does not say."""
    labels_from: str = ""
    """Where they were found, as the end of a sentence: "labels.txt"."""
    choices: tuple[str, ...] = ()
    """Signatures that could be used."""
    versions: tuple[int, ...] = ()
    """Those of a serving folder, the oldest first."""
    unsafe_operations: tuple[str, ...] = ()
    """By what the model can reach files, the network or other programs."""
    problems: tuple[str, ...] = ()
    """Sentences: why it cannot be imported as it is."""
    name: str = ""
    """What the model could be called."""
    size_bytes: int = 0


@dataclass(frozen=True)
class PreviewScore:
    """One class and its score."""

    name: str
    score: float


@dataclass(frozen=True)
class Preview:
    """What a model would answer for one photo."""

    photo: str
    scores: tuple[PreviewScore, ...] = ()
    """The best first, at most five."""
    problem: str = ""
    """Why there is no answer."""


@dataclass(frozen=True)
class Corrections:
    """What a person says about a model; None leaves what was found."""

    value_range: ValueRange | None = None
    channels: Channels | None = None
    resize: Resize | None = None
    gives: OutputKind | None = None
    signature: str | None = None
    height: int | None = None
    """For a model that takes photos of any size."""
    width: int | None = None


@dataclass(frozen=True)
class KerasApplication:
    """A network of Keras Applications, of which a file holds the weights alone."""

    architecture: str
    """The function of `keras.applications` that builds it."""
    value_range: ValueRange
    channels: Channels
    description: str = ""
    licence: str = ""
    attribution: str = ""
    accuracy: float | None = None
    """Share of ImageNet's validation photos that are right; None if nobody says so of these very
    weights."""


@dataclass(frozen=True)
class ImportRequest:
    """What to bring in, and how."""

    path: str = ""
    """Of a file or a folder; empty if it is sent to the backend."""
    labels_path: str = ""
    """File with the names of the classes; empty for those that the model brings along."""
    corrections: Corrections = field(default_factory=Corrections)
    trust: bool = False
    """The person trusts a model that can do more than compute."""
    all_versions: bool = False
    """Every version of a serving folder; otherwise the newest."""
    labels: tuple[str, ...] = ()
    """Names of the classes, where a person has typed them; they come before `labels_path`."""
    application: KerasApplication | None = None
    """What the weights in the file belong to; None for a file that says so itself."""


class Task(StrEnum):
    """What the program does with a model."""

    INSPECT = "inspect"
    PREVIEW = "preview"
    WRITE = "write"


@dataclass(frozen=True)
class ProgramRequest:
    """What the program is to do; see `serving.importing.program`."""

    task: Task
    request: ImportRequest
    scratch: str
    """A folder for what is unpacked."""
    photos: tuple[str, ...] = ()
    """Files that Servery reads."""
    folder: str = ""
    """An empty folder for the versions, each under its number."""
    name: str = ""
    """Of the new model."""
