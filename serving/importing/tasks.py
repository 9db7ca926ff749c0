"""What the program does with a model: inspect it, preview it, write versions from it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from serving.errors import ImageError, ModelError
from serving.files import copy_tree
from serving.importing.interface import (
    ImportRequest,
    ModelFormat,
    ModelInspection,
    Preview,
    ProgramRequest,
    Task,
)
from serving.importing.model_file import ModelFile, find_model
from serving.importing.own_version import answers_of_version, interface_of_version
from serving.importing.saved_model_trust import UntrustedModel, check_saved_model
from serving.importing.source import Source
from serving.models.card import CARD_PATH, ModelCard
from serving.normalize_image import read_normalized_image
from serving.progress import Report
from serving.quick_import import quick_import

MAX_PREVIEW_SCORES = 5


def carry_out(request: ProgramRequest, report: Report) -> Any:
    """Do what a request asks for, and return what JSON can hold; raises ModelError."""
    scratch = Path(request.scratch)
    report(0, 4, "Looking at the file.")
    file = _find(request.request, scratch / "unpacked")
    match request.task:
        case Task.INSPECT:
            return asdict(_inspect(request.request, file, scratch, report))
        case Task.PREVIEW:
            return [asdict(each) for each in _preview(request, file, scratch, report)]
        case Task.WRITE:
            return _write(request, file, scratch, report)


def _find(request: ImportRequest, scratch: Path) -> ModelFile:
    path = Path(request.path)
    if request.application is None:
        return find_model(path, scratch)
    size = path.stat().st_size
    return ModelFile(ModelFormat.KERAS_H5, path, path.stem, size_bytes=size)


def _inspect(
    request: ImportRequest, file: ModelFile, scratch: Path, report: Report
) -> ModelInspection:
    found = ModelInspection(
        file.format, None, name=file.name, versions=file.versions, size_bytes=file.size_bytes
    )
    try:
        newest = _newest(file)
        if newest.format is ModelFormat.SERVERY_VERSION:
            check_saved_model(newest.path, trusted=request.trust)
            card = ModelCard.read(newest.path)
            interface = interface_of_version(card)
            return replace(
                found, interface=interface, labels=card.classes, labels_from="its model card"
            )
        source = _load(file, request, scratch, report)
    except UntrustedModel as error:
        return replace(found, unsafe_operations=error.reasons, problems=(error.what,))
    except ModelError as error:
        return replace(found, problems=(str(error),))
    from serving.importing.conversion import inspect_source

    report(2, 4, "Asking the model.")
    return inspect_source(found, source, request, file)


def _load(file: ModelFile, request: ImportRequest, scratch: Path, report: Report) -> Source:
    """Load a model of another program; raises ModelError."""
    report(0, 0, "Starting TensorFlow.")
    # That takes seconds, which versions of Servery, and files that are no model, do without.
    with quick_import():
        from serving.importing.conversion import load_source

    report(1, 4, "Loading the model.")
    return load_source(file, request, scratch)


def _answer_of_version(version: Path, photo: str) -> Preview:
    try:
        jpeg = read_normalized_image(Path(photo))
    except ImageError as error:
        return Preview(photo, problem=error.what)
    return Preview(photo, answers_of_version(version, jpeg, MAX_PREVIEW_SCORES))


def _preview(
    request: ProgramRequest, file: ModelFile, scratch: Path, report: Report
) -> list[Preview]:
    newest = _newest(file)
    if newest.format is ModelFormat.SERVERY_VERSION:
        report(1, 4, "Loading the model.")
        check_saved_model(newest.path, trusted=request.request.trust)
        return [_answer_of_version(newest.path, photo) for photo in request.photos]
    source = _load(file, request.request, scratch, report)
    from serving.importing.conversion import preview_source

    report(2, 4, "Asking the model.")
    return preview_source(source, request.request, file, request.photos, MAX_PREVIEW_SCORES, report)


def _write(request: ProgramRequest, file: ModelFile, scratch: Path, report: Report) -> Any:
    """Write the versions.

    Returns by what each can do more than compute, by its number, and how many milliseconds this
    machine takes for a photo.
    """
    asked, folder = request.request, Path(request.folder)
    photos = list(_readable(request.photos))
    files = _versions(file, asked)
    found: dict[int, list[str]] = {}
    milliseconds = None
    for done, (number, each) in enumerate(files.items()):
        report(done, len(files), _step(f"Writing version {number}", len(files)))
        version = folder / str(number)
        version.mkdir()
        if each.format is ModelFormat.SERVERY_VERSION:
            found[number] = _copy_version(each, version, request.name, trusted=asked.trust)
            continue
        source = _load(each, asked, scratch, report)
        from serving.importing.conversion import write_source

        report(done, len(files), _step(f"Writing version {number}", len(files)))
        found[number], milliseconds = write_source(
            source, asked, file, version, request.name, photos
        )
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
    return {
        "unsafe_operations": {str(number): unsafe for number, unsafe in found.items()},
        "milliseconds": milliseconds,
    }


def _readable(photos: Iterable[str]) -> Iterator[bytes]:
    """Yield the photos that can be read, as normalized JPEG files."""
    for photo in photos:
        with contextlib.suppress(ImageError):
            yield read_normalized_image(Path(photo))


def _step(text: str, versions: int) -> str:
    return f"{text}." if versions > 1 else "Writing and checking the version."


def _newest(file: ModelFile) -> ModelFile:
    """Return what a file is, and of a folder with versions the newest."""
    if file.format is not ModelFormat.SERVING_FOLDER:
        return file
    return find_model(file.path / str(file.versions[-1]), file.path)


def _versions(file: ModelFile, request: ImportRequest) -> dict[int, ModelFile]:
    """Return what becomes a version, by its number."""
    if file.format is not ModelFormat.SERVING_FOLDER:
        return {1: file}
    numbers = file.versions if request.all_versions else file.versions[-1:]
    return {
        number if request.all_versions else 1: replace(
            find_model(file.path / str(number), file.path), name=file.name
        )
        for number in numbers
    }


def _copy_version(file: ModelFile, folder: Path, name: str, *, trusted: bool) -> list[str]:
    """Copy a version of Servery, which answers the contract as it is."""
    unsafe = check_saved_model(file.path, trusted=trusted)
    card = ModelCard.read(file.path)
    copy_tree(file.path, folder, may_exist=True)
    path = folder / CARD_PATH
    path.unlink()
    path.write_text(replace(card, name=name, base_version=None, training_run=None).to_json())
    return list(unsafe)
