"""Exports a version as a file or a folder that runs without Servery, checked before it is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serving.errors import ModelError
from serving.exporting import check
from serving.exporting.arithmetic import Arithmetic, arithmetic_of
from serving.exporting.bundle import write_beside, write_manifest, write_reader
from serving.exporting.check_photos import check_photos
from serving.exporting.formats import ExportFormat, check_target
from serving.exporting.reading import PhotoReading
from serving.exporting.staged_target import copy_folder, staged_target
from serving.models.card import ModelCard
from serving.models.checksums import damaged_files
from serving.progress import Report
from serving.quick_import import quick_import
from serving.state_files import UnreadableFile, read_file
from serving.text.trust import trust_advice
from serving.tf.graph_safety import UnsafeModel
from serving.tf.status import ServingError
from serving.tf.trust import TRUSTED_NAME, check_trusted
from serving.tf.version_files import check_files

_MAX_PHOTO_BYTES = 2**26


@dataclass(frozen=True)
class ExportedVersion:
    """What an export was checked with, and how it came out."""

    photos: int
    """That the scores were compared on."""
    largest_difference: float
    """Of any score, 0 to 1."""
    bytes: int
    """Of the model itself."""


def export_version(
    version_folder: Path,
    kind: ExportFormat,
    target: Path,
    photos: Sequence[Path],
    report: Report,
    *,
    replace: bool = False,
) -> ExportedVersion:
    """Write a version of the repository to `target`, in any format but SERVERY.

    Its scores are compared with those of the version on `photos`, normalized JPEG files, and on
    a few that are generated. Raises ModelError if it cannot be exported or answers otherwise;
    then nothing is at `target`.
    """
    check_target(target, kind, version_folder.parent.parent, replace=replace)
    report(0, 100, "Looking at the version")
    _check_loadable(version_folder)
    damaged = damaged_files(version_folder)
    if damaged:
        raise ModelError(
            f"Version {version_folder.name} was changed on disk: {damaged[0]}.",
            "Export another version.",
        )
    jpegs = [*check_photos(), *_readable(photos)]
    with staged_target(target) as folder:
        if kind is ExportFormat.SAVED_MODEL:
            return _copy(version_folder, folder, jpegs, report)
        return _convert(version_folder, kind, folder, jpegs, report)


def _copy(
    version_folder: Path, folder: Path, photos: Sequence[bytes], report: Report
) -> ExportedVersion:
    report(10, 100, "Copying the version")
    copied = folder / version_folder.name
    copy_folder(version_folder, copied, lambda: None)
    damaged = damaged_files(copied)
    if damaged:
        raise ModelError(
            f"The file {damaged[0]} was not copied as it is.",
            "Check the disk that you export to, then try again.",
        )
    report(50, 100, "Comparing the scores")
    expected = check.version_answers(version_folder, photos)
    found = check.version_answers(copied, photos)
    difference = 0.0
    if expected is not None and found is not None:
        difference = float(np.abs(expected.scores - found.scores).max(initial=0.0))
        check.check_difference(difference, "copy")
    write_beside(folder, version_folder, ModelCard.read(version_folder).classes)
    size = sum(path.stat().st_size for path in copied.rglob("*") if path.is_file())
    done = ExportedVersion(0 if expected is None else len(photos), difference, size)
    write_manifest(folder, ExportFormat.SAVED_MODEL, version_folder, **asdict(done))
    return done


def _convert(
    version_folder: Path,
    kind: ExportFormat,
    folder: Path,
    photos: Sequence[bytes],
    report: Report,
) -> ExportedVersion:
    arithmetic = arithmetic_of(version_folder)
    report(5, 100, "Asking the version for its scores")
    expected = check.version_scores(version_folder, arithmetic, photos)
    reading = check.find_reading(arithmetic, photos, expected.pixels)
    report(20, 100, "Converting the version")
    path = folder / f"model.{kind}"
    compute = _write(arithmetic, kind, path)
    report(80, 100, "Comparing the scores")
    difference = check.largest_difference(compute, reading, photos, expected.scores)
    check.check_difference(difference, f"{kind} file")
    report(95, 100, "Writing the export")
    write_beside(folder, version_folder, arithmetic.classes)
    write_reader(folder, kind, path.name, reading)
    done = ExportedVersion(len(photos), difference, path.stat().st_size)
    facts = {**asdict(done), **_input_facts(reading)}
    write_manifest(folder, kind, version_folder, **facts)
    return done


def _write(arithmetic: Arithmetic, kind: ExportFormat, path: Path) -> check.Scores:
    # TensorFlow's Python takes seconds to import, and is not needed for a copy.
    with quick_import():
        from serving.exporting import convert

    if kind is ExportFormat.TFLITE:
        convert.write_tflite(arithmetic, path)
        return convert.run_tflite(path)
    convert.write_onnx(arithmetic, path)
    return convert.run_onnx(path)


def _input_facts(reading: PhotoReading) -> dict[str, Any]:
    return {"input": {"name": "pixels", "shape": [1, reading.height, reading.width, 3]}}


def _check_loadable(version_folder: Path) -> None:
    """Raise ModelError unless instances may load the version: the check runs it."""
    repository = version_folder.parent.parent
    name = f"Version {version_folder.name} of {version_folder.parent.name}"
    try:
        check_files(version_folder, repository)
        check_trusted(version_folder, repository / TRUSTED_NAME)
    except ServingError as error:
        advice = "Export another version."
        if isinstance(error, UnsafeModel) and error.can_be_trusted:
            advice = trust_advice(version_folder.parent.name, int(version_folder.name))
        raise ModelError(f"{name} is not loaded. {error.message}", advice) from error


def _readable(photos: Sequence[Path]) -> list[bytes]:
    """Return those photos that can be read: the others say nothing about the version."""
    found = []
    for path in photos:
        try:
            content = read_file(path, _MAX_PHOTO_BYTES)
        except UnreadableFile:
            continue
        if content:
            found.append(content)
    return found
