"""Turns models of other programs into versions, with TensorFlow, which takes seconds to import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from serving.errors import ImageError, ModelError
from serving.importing.facts import corrected, find_interface
from serving.importing.interface import (
    ImportRequest,
    Interface,
    KerasApplication,
    ModelFormat,
    ModelInspection,
    Preview,
    PreviewScore,
)
from serving.importing.label_files import (
    UnusableLabels,
    check_count,
    imagenet_labels,
    parse_labels,
    read_labels,
)
from serving.importing.model_file import ModelFile
from serving.importing.network import Network
from serving.importing.saved_model_source import load_saved_model
from serving.importing.source import Source
from serving.importing.speed import milliseconds_per_photo
from serving.importing.write import sample_photos, write_version
from serving.models.card import ModelCard
from serving.normalize_image import read_normalized_image
from serving.progress import Report

_KINDS = {
    ModelFormat.KERAS: "a Keras file",
    ModelFormat.KERAS_H5: "a Keras file",
    ModelFormat.SAVED_MODEL: "a SavedModel",
    ModelFormat.SERVING_FOLDER: "a model folder of TensorFlow Serving",
    ModelFormat.TEACHABLE_MACHINE: "an export of Teachable Machine",
    ModelFormat.LOBE: "an export of Lobe",
}


def load_source(file: ModelFile, request: ImportRequest, scratch: Path) -> Source:
    """Load a model as a source, by its format; raises ModelError."""
    # Keras takes a second to import, and a SavedModel does not need it.
    if request.application is not None:
        from serving.importing.application import load_application

        return load_application(request.application, file.path)
    if file.format in (ModelFormat.KERAS, ModelFormat.KERAS_H5, ModelFormat.TEACHABLE_MACHINE):
        from serving.importing.keras_source import load_keras

        return load_keras(file, scratch)
    return load_saved_model(file, request.corrections.signature, trusted=request.trust)


def inspect_source(
    found: ModelInspection, source: Source, request: ImportRequest, file: ModelFile
) -> ModelInspection:
    """Return `found` with what a loaded model takes and gives; raises ModelError."""
    interface = _interface(source, request)
    labels, labels_from = _labels_of(request, file, interface)
    if labels is None:
        problems: tuple[str, ...] = ()
    else:
        problems = _label_problems(labels, interface, labels_from)
    return replace(
        found,
        interface=interface,
        labels=labels,
        labels_from=labels_from,
        choices=source.choices,
        problems=problems,
    )


def preview_source(
    source: Source,
    request: ImportRequest,
    file: ModelFile,
    photos: Sequence[str],
    count: int,
    report: Report,
) -> list[Preview]:
    """Return the best classes of a loaded model for photos, at most so many; raises ModelError."""
    interface = _interface(source, request)
    labels, labels_from = _labels_of(request, file, interface)
    if labels is None:
        labels = tuple(f"output {number}" for number in range(interface.classes))
    check_count(labels, interface.classes, labels_from)
    network = Network(source, interface)
    previews = []
    for number, photo in enumerate(photos):
        report(number, len(photos), "Classifying photos.")
        try:
            jpeg = read_normalized_image(Path(photo))
        except ImageError as error:
            previews.append(Preview(photo, problem=error.what))
            continue
        scores = network.scores(network.reference([jpeg]))[0]
        best = sorted(range(len(labels)), key=lambda at: -scores[at])[:count]
        shown = tuple(PreviewScore(labels[at], float(scores[at])) for at in best)
        previews.append(Preview(photo, shown))
    return previews


def write_source(
    source: Source,
    request: ImportRequest,
    file: ModelFile,
    folder: Path,
    name: str,
    photos: Sequence[bytes],
) -> tuple[list[str], float | None]:
    """Write a version from a loaded model of `file`, and check it on photos.

    Returns by what it can do more than compute, and the milliseconds that this machine takes for a
    photo. Raises ModelError.
    """
    interface = _interface(source, request)
    labels, labels_from = _labels_of(request, file, interface)
    if labels is None:
        raise UnusableLabels(
            f"Nothing says what the {interface.classes:,} classes of {file.name} are called.",
            "Give a file with one name a line, in the order of the scores.",
        )
    check_count(labels, interface.classes, labels_from)
    card = _card(name, file, source, request.application)
    written = write_version(folder, source, interface, labels, card=card, photos=photos)
    milliseconds = milliseconds_per_photo(folder, photos or sample_photos())
    return list(written.unsafe_operations), milliseconds


def _interface(source: Source, request: ImportRequest) -> Interface:
    return corrected(find_interface(source, sample_photos()), request.corrections)


def _label_problems(
    labels: tuple[str, ...], interface: Interface, labels_from: str
) -> tuple[str, ...]:
    try:
        check_count(labels, interface.classes, labels_from)
    except ModelError as error:
        return (str(error),)
    return ()


def _labels_of(
    request: ImportRequest, file: ModelFile, interface: Interface
) -> tuple[tuple[str, ...] | None, str]:
    """Return the names of the classes and where they come from; None if nothing says them.

    Raises UnusableLabels for a file that a person named.
    """
    if request.labels:
        typed = "\n".join(request.labels).encode()
        return parse_labels(typed, Path("the list of labels")), "the list of labels"
    if request.labels_path:
        path = Path(request.labels_path)
        return read_labels(path), path.name
    if file.labels_path is not None:
        return read_labels(file.labels_path), file.labels_path.name
    guessed = imagenet_labels(interface.classes)
    if guessed is not None:
        return guessed, "ImageNet, by the number of classes"
    return None, ""


def _card(
    name: str, file: ModelFile, source: Source, application: KerasApplication | None
) -> ModelCard:
    if application is not None:
        from serving.importing.application import application_card

        return application_card(name, application)
    text = f"Imported from {file.name}, {_KINDS[file.format]}. {source.hints.description}".strip()
    return ModelCard(
        name=name,
        classes=(),
        description=text,
        licence=source.hints.licence,
        backbone=name,
        training={"imported_from": {"format": file.format.value, "signature": source.signature}},
    )
