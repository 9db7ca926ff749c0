"""The formats that versions are exported in, and where an export may be written to."""

from __future__ import annotations

import json
import zipfile
from enum import StrEnum
from pathlib import Path

from serving.errors import ModelError
from serving.state_files import UnreadableFile, read_object

MANIFEST_NAME = "export.json"
"""Says what an export is; what has none is not replaced."""
_MAX_MANIFEST_BYTES = 2**24
ZIP_SUFFIX = ".zip"
_FILE_SUFFIXES = (".tflite", ".onnx", ".pb")


class ExportFormat(StrEnum):
    """What a version is exported as."""

    SAVED_MODEL = "savedmodel"
    """As TensorFlow Serving takes it."""
    TFLITE = "tflite"
    ONNX = "onnx"
    SERVERY = "servery"
    """A zip file that another Servery imports and goes on teaching."""


class TargetExists(ModelError):
    """There is something at the place that an export is to be written to."""


def check_target(target: Path, kind: ExportFormat, models: Path, *, replace: bool) -> None:
    """Raise ModelError unless an export may be written to `target`.

    It is a new folder, or a zip file if its name ends in `.zip`; the format SERVERY is always
    a zip file. `models` is the folder of the model repository. With `replace`, an earlier export
    in its place is no obstacle. Raises TargetExists if there is something already.
    """
    if target.suffix.lower() in _FILE_SUFFIXES:
        raise ModelError(
            f"{target} cannot be the target: an export is a folder, with the model, its classes,"
            " its card and its licence in it.",
            "Name a folder, or a file that ends in .zip.",
        )
    if kind is ExportFormat.SERVERY and not is_zip(target):
        raise ModelError(
            f"{target} cannot be the target: what another Servery imports is a zip file.",
            "Name a file that ends in .zip.",
        )
    if not target.parent.is_dir():
        raise ModelError(f"The folder {target.parent} does not exist.", "Make it, or name another.")
    if target.resolve().is_relative_to(models.resolve()):
        raise ModelError(
            f"{target} is inside the folder in which Servery keeps its models.",
            "Name a place outside of the workspace.",
        )
    if not target.exists() and not target.is_symlink():
        return
    if not replace:
        raise TargetExists(f"{target} exists.", "Name another place, or have it replaced.")
    if not _is_export(target):
        raise ModelError(
            f"{target} exists and is no export of Servery's, so it is not replaced.",
            "Name another place, or move it away.",
        )


def is_zip(target: Path) -> bool:
    return target.suffix.lower() == ZIP_SUFFIX


def _is_export(target: Path) -> bool:
    if target.is_symlink():
        return False
    try:
        if target.is_dir():
            manifest = read_object(target / MANIFEST_NAME, _MAX_MANIFEST_BYTES)
        else:
            with zipfile.ZipFile(target) as archive, archive.open(MANIFEST_NAME) as file:
                manifest = json.loads(file.read(_MAX_MANIFEST_BYTES))
    except (OSError, UnreadableFile, ValueError, KeyError, zipfile.BadZipFile):
        return False
    return isinstance(manifest, dict) and "servery" in manifest
