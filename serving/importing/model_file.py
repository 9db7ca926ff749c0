"""Says what a path is, by reading bytes alone: which format, and which labels lie beside it."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ModelError, reading_error
from serving.importing.interface import ModelFormat
from serving.importing.label_files import LABEL_FILES
from serving.models.card import CARD_PATH
from serving.tf.names import SAVED_MODEL_FILE
from serving.tf.status import ServingError
from serving.tf.version_files import check_files
from serving.zip_file import unpack_zip

FORMATS = (
    "Servery imports Keras files (.keras, .h5), SavedModel folders, and exports of Teachable"
    " Machine and Lobe, also in a zip file."
)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_HEAD_BYTES = 64
_MAX_DEPTH = 3
"""Folders in which a model is looked for, the one that was named included."""
_MAX_ENTRIES = 2_000
_MAX_SIGNATURE_BYTES = 2**24
_TEACHABLE_MACHINE = "keras_model.h5"
_LOBE = "signature.json"
_SAVED_MODEL_TEXT = "saved_model.pbtxt"

_OTHERS = {
    ".onnx": ("an ONNX file", "Export the model as SavedModel or .keras where it was trained."),
    ".tflite": (
        "a TensorFlow Lite file, which cannot be taught",
        "Take the Keras or SavedModel file that it was made from.",
    ),
    ".pt": ("a file of PyTorch", "Convert it to a SavedModel, for example by way of ONNX."),
    ".safetensors": ("a file of weights alone", "Save the whole model as .keras."),
    ".pkl": ("a pickle, which is a program", "Save the model as .keras or as SavedModel."),
    ".pb": (
        "a graph without signatures",
        "Save it as SavedModel, which says what it takes and gives.",
    ),
    ".mlmodel": ("a file of Core ML", "Take the Keras or SavedModel file that it was made from."),
    ".json": (
        "a model of TensorFlow.js, or a description without weights",
        "Export it as Keras: in Teachable Machine, choose Tensorflow, then Keras.",
    ),
}
_OTHERS |= {".pth": _OTHERS[".pt"], ".joblib": _OTHERS[".pkl"], ".pickle": _OTHERS[".pkl"]}
_OTHERS |= {".mlpackage": _OTHERS[".mlmodel"]}
MODEL_SUFFIXES = frozenset((".keras", ".h5", ".hdf5", ".pbtxt", *_OTHERS)) - {".json"}
"""Endings of files that are models, those that are refused with a reason included."""


class UnusableModelFile(ModelError):
    """A path holds no model that can be imported."""


@dataclass(frozen=True)
class ModelFile:
    """A model on disk."""

    format: ModelFormat
    path: Path
    """The file, or the folder that has `saved_model.pb` or the versions in it."""
    name: str
    """What people call it, without an extension."""
    labels_path: Path | None = None
    """File of labels that lies with it."""
    versions: tuple[int, ...] = ()
    """Those of a serving folder, the oldest first."""
    size_bytes: int = 0


def find_model(path: Path, scratch: Path) -> ModelFile:
    """Return what `path` is; a zip file of an export is unpacked into the folder `scratch`.

    Runs nothing of it. Raises UnusableModelFile, with the reason and what would work, and what
    `unpack_zip` raises.
    """
    name = _plain_name(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _of_folder(path, name)
        if not stat.S_ISREG(mode):
            raise UnusableModelFile(f"{path} is neither a file nor a folder.", FORMATS)
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(_ZIP) and not _is_keras_zip(path):
            _refuse_other(path, only=(".pt", ".pth"))
            unpack_zip(path, scratch)
            return _of_folder(scratch, name, shown=path.name)
        return _of_file(path, head, name)
    except FileNotFoundError:
        raise UnusableModelFile(f"There is no {path}.", "Check the path.") from None
    except OSError as error:
        advice = "Give yourself the right to read it."
        raise reading_error(error, str(path), advice, UnusableModelFile) from error


def _of_file(path: Path, head: bytes, name: str) -> ModelFile:
    size = path.stat().st_size
    if head.startswith(_ZIP):
        return ModelFile(ModelFormat.KERAS, path, name, _labels_beside(path), (), size)
    if head.startswith(_HDF5):
        labels = _labels_beside(path)
        if path.name == _TEACHABLE_MACHINE:
            return ModelFile(ModelFormat.TEACHABLE_MACHINE, path, name, labels, (), size)
        return ModelFile(ModelFormat.KERAS_H5, path, name, labels, (), size)
    if path.name == SAVED_MODEL_FILE:
        return _of_folder(path.parent, _plain_name(path.parent))
    if head[4:8] == b"TFL3":
        raise _other(path, ".tflite")
    _refuse_other(path)
    raise UnusableModelFile(f"{path} is no model that Servery knows.", FORMATS)


def _of_folder(folder: Path, name: str, shown: str = "") -> ModelFile:
    """Return the one model in a folder, which may lie deeper; raises UnusableModelFile.

    Messages call the folder `shown`: what a person named, if that is a zip file.
    """
    shown = shown or folder.name
    try:
        check_files(folder, folder)
    except ServingError as error:
        raise UnusableModelFile(
            f"{shown} has links or devices in it: {error.message}",
            "Copy the model without links.",
        ) from error
    found = list(_models_in(folder, name))
    if len(found) > 1:
        names = ", ".join(each.path.name for each in found[:4])
        raise UnusableModelFile(
            f"There are several models in {shown}: {names}.", "Name one of them."
        )
    if found:
        return found[0]
    for path in sorted(folder.iterdir()):
        if path.name == _SAVED_MODEL_TEXT:
            raise UnusableModelFile(
                f"{shown} is a SavedModel in text form.",
                "Save it in the usual form, saved_model.pb.",
            )
        _refuse_other(path)
    raise UnusableModelFile(f"There is no model in {shown}.", FORMATS)


def _models_in(folder: Path, name: str, depth: int = _MAX_DEPTH) -> Iterator[ModelFile]:
    """Yield the models in a folder and, where it has none itself, in its folders."""
    entries = _entries(folder)
    names = {entry.name for entry in entries}
    if SAVED_MODEL_FILE in names:
        yield _saved_model(folder, name)
        return
    versions = sorted(int(each.name) for each in entries if _is_version(each))
    if versions:
        newest = _saved_model(folder / str(versions[-1]), name)
        size = newest.size_bytes
        yield ModelFile(
            *(ModelFormat.SERVING_FOLDER, folder, name),
            _labels_in(folder) or newest.labels_path,
            tuple(versions),
            size,
        )
        return
    files = [each for each in entries if each.suffix in (".keras", ".h5", ".hdf5")]
    for file in files:
        with file.open("rb") as opened:
            head = opened.read(_HEAD_BYTES)
        if head.startswith(_HDF5) or (head.startswith(_ZIP) and _is_keras_zip(file)):
            yield _of_file(file, head, name)
    if not files and depth > 1:
        for each in entries:
            if each.is_dir():
                for model in _models_in(each, name, depth - 1):
                    yield _with_labels(model, folder)


def _saved_model(folder: Path, name: str) -> ModelFile:
    if (folder / CARD_PATH).is_file():
        kind, labels = ModelFormat.SERVERY_VERSION, None
    elif _is_lobe(folder):
        kind, labels = ModelFormat.LOBE, folder / _LOBE
    else:
        kind = ModelFormat.SAVED_MODEL
        labels = _labels_in(folder) or _labels_in(folder / "assets") or _labels_beside(folder)
    return ModelFile(kind, folder, name, labels, (), _size(folder))


def _with_labels(model: ModelFile, folder: Path) -> ModelFile:
    """The same with the labels of an outer folder, if it has none nearer."""
    labels = model.labels_path or _labels_in(folder)
    return ModelFile(model.format, model.path, model.name, labels, model.versions, model.size_bytes)


def _is_lobe(folder: Path) -> bool:
    path = folder / _LOBE
    try:
        if path.stat().st_size > _MAX_SIGNATURE_BYTES:
            return False
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(raw, dict) and isinstance(raw.get("classes"), dict)


def _is_version(folder: Path) -> bool:
    return folder.name.isdecimal() and (folder / SAVED_MODEL_FILE).is_file()


def _is_keras_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            archive.getinfo("config.json")
            archive.getinfo("model.weights.h5")
    except (KeyError, zipfile.BadZipFile, OSError):
        return False
    return True


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, by name, hidden files apart; raises UnusableModelFile."""
    entries = sorted(each for each in folder.iterdir() if not each.name.startswith((".", "__")))
    if len(entries) > _MAX_ENTRIES:
        raise UnusableModelFile(f"{folder.name} has too many files.", "Name the model's folder.")
    return entries


def _labels_beside(path: Path) -> Path | None:
    """Return the label file of a model file: `cats.txt` for `cats.h5`, or `labels.txt` beside."""
    for suffix in (".txt", ".csv", ".json"):
        own = path.with_name(f"{path.stem}_labels{suffix}")
        if own.is_file():
            return own
    return _labels_in(path.parent)


def _labels_in(folder: Path) -> Path | None:
    return next((folder / name for name in LABEL_FILES if (folder / name).is_file()), None)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _plain_name(path: Path) -> str:
    name = path.name or path.resolve().name
    return Path(name).stem if path.suffix in (".keras", ".h5", ".hdf5", ".zip") else name


def _refuse_other(path: Path, only: tuple[str, ...] = ()) -> None:
    suffix = path.suffix.lower()
    if suffix in (only or _OTHERS):
        raise _other(path, suffix)


def _other(path: Path, suffix: str) -> UnusableModelFile:
    kind, advice = _OTHERS[suffix]
    return UnusableModelFile(f"{path.name} is {kind}.", f"{advice} {FORMATS}")
