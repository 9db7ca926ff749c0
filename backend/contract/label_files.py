"""Labels that go out into files, and come in from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from backend.contract.training import SkippedFile

LABELS_CSV, TASKS_JSON = "labels.csv", "tasks.json"
"""The files with labels in folders that labels were exported to."""


class LabelFormat(StrEnum):
    """How labels with their photos are written: a folder in each case."""

    FOLDER = "folder"
    """A folder for each class, and `labels.csv`, which says everything else."""
    CSV = "csv"
    """`labels.csv`, and the photos in the folder `photos`."""
    LABEL_STUDIO = "label-studio"
    """`tasks.json` and `label-config.xml` for Label Studio, and the photos in `photos`."""


@dataclass(frozen=True)
class NewLabelExport:
    """Where the labels of a model are to be written."""

    target: str
    """The absolute path of a folder on the backend's machine that is new or empty."""
    format: LabelFormat = LabelFormat.FOLDER


@dataclass(frozen=True)
class LabelExport:
    """Labels that were written to a folder."""

    model: str
    target: str
    format: LabelFormat
    labels: int
    photos: int
    skipped: list[SkippedFile] = field(default_factory=list)
    """Photos that could not be read, by their hashes; their labels are not in it."""


@dataclass(frozen=True)
class NewLabelImport:
    """Where labels for a model come from."""

    source: str
    """The absolute path, on the backend's machine, of a folder that labels were exported to,
    of a CSV file, or of a JSON file of Label Studio; with `keywords`, of a folder of photos."""
    photos: str = ""
    """The absolute path of the folder in which the photos are that the file names; empty for
    the folder that the file is in."""
    by: str = ""
    """Who says it, if the file does not say who; empty for the user who sends it."""
    control: str = ""
    """The `name` of the choices in Label Studio, if it has more than one of them."""
    keywords: list[str] | None = None
    """Take these keywords of the photos in the folder as classes."""


@dataclass(frozen=True)
class LabelImport:
    """Labels that were read from files."""

    model: str
    source: str
    labels: int
    """New ones."""
    known: int
    """The model has the same labels already."""
    outdated: int
    """The same person has labelled the photo since."""
    photos: int
    """How many photos the new labels are of."""
    action: int = 0
    """The LabelAction that they were given in; 0 if there is none."""
    skipped: list[SkippedFile] = field(default_factory=list)
    """Photos and labels that could not be taken, and why."""


@dataclass(frozen=True)
class PhotoFolderPath:
    """A folder of photos whose keywords are asked for."""

    folder: str
    """An absolute path on the backend's machine."""


@dataclass(frozen=True)
class KeywordCount:
    keyword: str
    photos: int


@dataclass(frozen=True)
class KeywordSummary:
    """The keywords in the metadata of the photos in a folder."""

    photos: int
    """All that are there, with or without keywords."""
    keywords: list[KeywordCount]
    """The most frequent first."""
    unreadable: list[SkippedFile] = field(default_factory=list)
    """Photos whose metadata cannot be read."""
