"""The zip file by which one Servery hands a version to another, which goes on teaching it.

    export.json             what it is; checksums of all other files; the backbone's hash
    version/                the files of the version, as they are
    labels.json             what people said of photos: class, who, when, the photo's hash
    embedded.npy            hashes of photos, uint8 [N, 32]
    embeddings.npy          their embeddings, float32 [N, D]
    photos/<hash>.jpg       the photos themselves, if they were asked for

Training needs the embeddings alone, so that the photos can stay where they are.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.errors import ModelError, ServeryError
from serving.exporting.bundle import write_manifest
from serving.exporting.formats import MANIFEST_NAME, ExportFormat
from serving.exporting.staged_target import copy_file, copy_folder, staged_target
from serving.json_decode import decode
from serving.models.card import ModelCard
from serving.models.checksums import damaged_files
from serving.models.model_names import checked_model_name
from serving.models.model_settings import ModelSettings, read_settings
from serving.models.repository import SETTINGS_NAME
from serving.progress import Report
from serving.state_files import UnreadableFile, parse_object, read_file, text_of
from serving.tf.names import SAVED_MODEL_FILE
from serving.zip_file import UnusableZip, ZipTooLarge, unpack_zip

SCHEMA = 1
VERSION_FOLDER = "version"
LABELS_NAME = "labels.json"
EMBEDDED_NAME = "embedded.npy"
EMBEDDINGS_NAME = "embeddings.npy"
PHOTOS_FOLDER = "photos"
MAX_LABELS = 200_000
MAX_EMBEDDING_SIZE = 65_536
_MAX_MANIFEST_BYTES = 2**26
_MAX_LABELS_BYTES = 2**26
_MAX_NAME = 500
_HASH = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)")
_KINDS = ("class", "none", "skip")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ArchivedLabel:
    """What a person said of a photo."""

    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    kind: str
    """`class`, `none` or `skip`, as `LabelKind`."""
    class_name: str
    by: str
    created: str
    """UTC, ISO 8601."""
    held_out: bool = False
    settles: bool = False


@dataclass(frozen=True)
class Archive:
    """What is in such a file, unpacked and checked."""

    folder: Path
    model: str
    version: int
    labels: tuple[ArchivedLabel, ...]
    """In the order in which they were given."""
    embeddings: Mapping[str, Floats]
    """[D] each, by the hash of the photo."""
    photos: Mapping[str, Path]
    settings: ModelSettings
    """Of the model, as far as they are true of a copy."""

    @property
    def version_folder(self) -> Path:
        return self.folder / VERSION_FOLDER


def write_archive(
    version_folder: Path,
    target: Path,
    labels: Sequence[ArchivedLabel],
    embeddings: Mapping[str, Floats],
    photos: Mapping[str, Path],
    report: Report,
) -> int:
    """Write a version with its labels to the zip file `target`; returns its size in bytes.

    Raises ModelError if the version was changed on disk, or the disk refuses it.
    """
    damaged = damaged_files(version_folder)
    if damaged:
        raise ModelError(
            f"Version {version_folder.name} was changed on disk: {damaged[0]}.",
            "Export another version.",
        )
    with staged_target(target) as folder:
        report(80, 100, "Copying the version")
        copy_folder(version_folder, folder / VERSION_FOLDER, lambda: None)
        content = json.dumps([asdict(label) for label in labels])
        (folder / LABELS_NAME).write_text(content, "utf-8")
        known = sorted(embeddings)
        hashes = np.frombuffer(bytes.fromhex("".join(known)), np.uint8).reshape(len(known), 32)
        rows = [embeddings[image] for image in known]
        size = len(rows[0]) if rows else 0
        np.save(folder / EMBEDDED_NAME, hashes)
        np.save(folder / EMBEDDINGS_NAME, np.array(rows, "<f4").reshape(len(known), size))
        for image, path in photos.items():
            copy_file(path, folder / PHOTOS_FOLDER / f"{image}.jpg")
        report(90, 100, "Packing the file")
        write_manifest(
            folder,
            ExportFormat.SERVERY,
            version_folder,
            schema=SCHEMA,
            labels=len(labels),
            embeddings=len(known),
            photos=len(photos),
            settings=_settings(version_folder.parent),
            files=_checksums(folder),
        )
    return target.stat().st_size


def _settings(model_folder: Path) -> dict[str, Any]:
    settings = read_settings(model_folder / SETTINGS_NAME)
    return {
        "backbone": settings.backbone,
        "keeps_backbone_classes": settings.keeps_backbone_classes,
    }


def is_archive_file(path: Path) -> bool:
    """Say whether a file is a zip file that another Servery exported; nothing is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(MANIFEST_NAME) as file:
            manifest = json.loads(file.read(_MAX_MANIFEST_BYTES))
    except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile):
        return False
    return isinstance(manifest, dict) and _is_archive(manifest)


def _is_archive(manifest: Mapping[str, Any]) -> bool:
    """Say whether an `export.json` is that of a version for another Servery."""
    return manifest.get("format") == ExportFormat.SERVERY


def read_archive(path: Path, folder: Path) -> Archive:
    """Unpack an archive into `folder`, which is made, and check all that is in it.

    Nothing of the version is loaded. Raises ModelError if it is no archive, or damaged, and
    StorageUnavailable; what was unpacked until then is left in `folder`.
    """
    try:
        unpack_zip(path, folder)
    except (UnusableZip, ZipTooLarge) as error:
        raise ModelError(error.what, "Have the model exported again.") from error
    try:
        return _read(folder)
    except (UnreadableFile, ServeryError, OSError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, ModelError):
            raise
        why = error.what if isinstance(error, ServeryError) else f"{error}."
        raise _damaged(why[:300]) from error


def _read(folder: Path) -> Archive:
    manifest = _object(folder / MANIFEST_NAME)
    if manifest is None or not _is_archive(manifest):
        raise ModelError(
            "The zip file is no model that another Servery exported.",
            "Export one there: `servery models export NAME FILE.zip --format servery`.",
        )
    if manifest["schema"] != SCHEMA:
        raise ModelError(
            "The zip file was exported by a newer Servery.", "Update Servery, then import it."
        )
    expected, found = dict(manifest["files"]), _checksums(folder)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise _damaged(f"{name} is not as it was exported.")
    version = folder / VERSION_FOLDER
    if not (version / SAVED_MODEL_FILE).is_file():
        raise _damaged("There is no version in it.")
    ModelCard.read(version)
    labels = _labels(folder)
    embeddings = _embeddings(folder)
    return Archive(
        folder,
        checked_model_name(str(manifest["model"])),
        int(manifest["version"]),
        labels,
        embeddings,
        _photos(folder, labels),
        decode(ModelSettings, manifest["settings"]),
    )


def _labels(folder: Path) -> tuple[ArchivedLabel, ...]:
    path = folder / LABELS_NAME
    content = read_file(path, _MAX_LABELS_BYTES)
    if content is None:
        raise _damaged(f"There is no {LABELS_NAME} in it.")
    labels = decode(list[ArchivedLabel], json.loads(text_of(content, path)))
    if len(labels) > MAX_LABELS:
        raise _damaged(f"It has more than {MAX_LABELS:,} labels.")
    for label in labels:
        _check_label(label)
    return tuple(labels)


def _check_label(label: ArchivedLabel) -> None:
    if not _HASH.fullmatch(label.image) or not _TIME.fullmatch(label.created):
        raise _damaged("A label in it names no photo or no time.")
    if label.kind not in _KINDS or (label.kind != "class" and label.class_name):
        raise _damaged("A label in it is of an unknown kind.")
    if label.kind == "class" and not 0 < len(label.class_name) <= _MAX_NAME:
        raise _damaged("A label in it has no name that a class can have.")
    if len(label.by) > _MAX_NAME or "\0" in label.by + label.class_name:
        raise _damaged("A label in it has no name that a person can have.")


def _embeddings(folder: Path) -> dict[str, Floats]:
    hashes = np.load(folder / EMBEDDED_NAME, allow_pickle=False)
    # Not read as a whole: a model may have gigabytes of them.
    rows = np.load(folder / EMBEDDINGS_NAME, mmap_mode="r", allow_pickle=False)
    if hashes.dtype != np.uint8 or rows.dtype != np.dtype("<f4"):
        raise _damaged("Its embeddings are of another type.")
    if hashes.ndim != 2 or rows.ndim != 2 or hashes.shape != (len(rows), 32):
        raise _damaged("Its embeddings are of another shape.")
    if rows.shape[1] > MAX_EMBEDDING_SIZE or not all(np.isfinite(row).all() for row in rows):
        raise _damaged("Its embeddings are no numbers that can be learned from.")
    return {image.tobytes().hex(): row for image, row in zip(hashes, rows, strict=True)}


def _photos(folder: Path, labels: Sequence[ArchivedLabel]) -> dict[str, Path]:
    labelled = {label.image for label in labels}
    found = {}
    for path in sorted((folder / PHOTOS_FOLDER).glob("*")):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if path.name != f"{digest}.jpg" or digest not in labelled:
            raise _damaged(f"{path.name[:80]} is no photo that a label names.")
        found[digest] = path
    return found


def _checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file but the manifest, by its path in the archive."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST_NAME:
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _object(path: Path) -> dict[str, Any] | None:
    content = read_file(path, _MAX_MANIFEST_BYTES)
    return None if content is None else parse_object(text_of(content, path), path)


def _damaged(why: str) -> ModelError:
    return ModelError(f"The zip file is damaged. {why}", "Have the model exported again.")
