"""Writes the labels of a model, and their photos, to a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.contract import LABELS_CSV, LabelFormat, LabelKind, SkippedFile
from backend.label_files import csv_file, label_studio
from backend.store.images import ImageFolder, read_image
from backend.store.label_exchange import WrittenLabel
from serving.export_folder import export_folder
from serving.progress import Report
from serving.state_files import UnreadableFile
from serving.text.class_folders import NO_CLASS, class_folders

PHOTOS = "photos"
"""The folder of the photos, where they are in one."""


@dataclass(frozen=True)
class Written:
    labels: int
    photos: int
    skipped: tuple[SkippedFile, ...]


def write_labels(
    labels: Sequence[WrittenLabel],
    images: ImageFolder,
    target: Path,
    form: LabelFormat,
    report: Report,
) -> Written:
    """Write labels with their photos to the folder `target`, which is whole or not there.

    A photo that cannot be read is left out with its labels, and named. `report` may raise,
    to cancel it. Raises ExportRefused.
    """
    photos = list(dict.fromkeys(label.image for label in labels))
    place = _in_class_folders(labels) if form is LabelFormat.FOLDER else _in_one_folder
    skipped: list[SkippedFile] = []
    files: dict[str, str] = {}
    with export_folder(target) as folder:
        for number, image in enumerate(photos):
            report(number, len(photos), f"Writing photos to {target.name}")
            file = place(image)
            try:
                content = read_image(images.path(image))
            except UnreadableFile as error:
                fault = f"The photo is damaged: {error.fault}."
                skipped.append(SkippedFile(f"{image}.jpg", fault))
                continue
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            files[image] = file
        kept = [label for label in labels if label.image in files]
        for name, text in _texts(form, kept, files, target.name).items():
            (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        # Before the last step, which makes it durable: it may be cancelled up to here.
        report(len(photos), len(photos), f"Writing {target.name} to disk")
    return Written(len(kept), len(files), tuple(skipped))


def _texts(
    form: LabelFormat, labels: Sequence[WrittenLabel], files: Mapping[str, str], name: str
) -> dict[str, str]:
    """Return the files beside the photos, by their names."""
    if form is LabelFormat.LABEL_STUDIO:
        return label_studio.texts(labels, files, name)
    return {LABELS_CSV: csv_file.csv_text(labels, files)}


def _in_one_folder(image: str) -> str:
    return f"{PHOTOS}/{image}.jpg"


def _in_class_folders(labels: Sequence[WrittenLabel]) -> Callable[[str], str]:
    """Return which file the photo of an image becomes: in the folder of the class that counts."""
    counting = {
        label.image: label.class_name
        for label in labels
        if label.counts and label.kind is LabelKind.CLASS
    }
    folders = class_folders(counting.values(), taken=(LABELS_CSV,))

    def place(image: str) -> str:
        folder = folders[counting[image]] if image in counting else NO_CLASS
        return f"{folder}/{image}.jpg"

    return place
