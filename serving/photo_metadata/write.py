"""Writes an answer into a sidecar, into a copy of a photo, or into the photo itself."""

from __future__ import annotations

import hashlib
import os
import shutil
from enum import StrEnum
from pathlib import Path

from serving.errors import storage_error
from serving.files import flush_folder, write_export
from serving.image_file import open_image
from serving.leftovers import writer_tag
from serving.normalize_image import read_image
from serving.photo_metadata.answer import AnswerMetadata, MetadataError
from serving.photo_metadata.jpeg import with_answer, without_metadata
from serving.photo_metadata.xmp import MAX_BYTES, Xmp


class MetadataPlace(StrEnum):
    """Where an answer is written."""

    SIDECAR = "sidecar"
    """An XMP file beside the photo: `photo.jpg.xmp`."""
    COPY = "copy"
    """A copy of the photo."""
    ORIGINAL = "original"
    """The photo itself; all but its metadata stays, byte for byte."""


def write_answer(
    photo: Path, answer: AnswerMetadata, place: MetadataPlace, target: Path | None = None
) -> Path:
    """Write an answer about a photo, and return the file that has it.

    `target` is the file to write; needed for a copy, none for the original, and for a sidecar
    beside the photo if it is not given. Raises ImageError, MetadataError and what the disk refuses.
    """
    match place:
        case MetadataPlace.SIDECAR:
            return _write_sidecar(target or photo.with_name(f"{photo.name}.xmp"), answer)
        case MetadataPlace.COPY:
            assert target is not None
            return _write_copy(photo, answer, target)
        case MetadataPlace.ORIGINAL:
            return _write_original(photo, answer)


def _write_sidecar(target: Path, answer: AnswerMetadata) -> Path:
    """Write a sidecar; one that is there keeps all else that it says."""
    xmp = Xmp(_content(target))
    xmp.add(answer)
    content = xmp.to_bytes()
    try:
        if target.exists():
            _replace(target.resolve(), content)
        else:
            write_export(target, content)
    except OSError as error:
        raise _refused(error, target) from error
    return target


def _content(sidecar: Path) -> bytes | None:
    """Return what a sidecar has; None if there is none. Raises MetadataError."""
    try:
        if sidecar.is_file():
            with sidecar.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        if os.path.lexists(sidecar):
            raise MetadataError(
                f"In the place of the sidecar {sidecar} is something else.", "Move it away."
            )
    except OSError as error:
        raise _refused(error, sidecar) from error
    return None


def _write_copy(photo: Path, answer: AnswerMetadata, target: Path) -> Path:
    """Write a copy with the times and rights of the photo; never in place of a file."""
    content = _with_answer(photo, answer)
    aside = target.with_name(f".{target.name}.{writer_tag()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_is_new(target)
        try:
            _write(aside, content, like=photo)
            _check_is_new(target)
            aside.rename(target)
        finally:
            aside.unlink(missing_ok=True)
        flush_folder(target.parent)
    except OSError as error:
        raise _refused(error, target) from error
    return target


def _write_original(photo: Path, answer: AnswerMetadata) -> Path:
    content = _with_answer(photo, answer)
    try:
        _replace(photo.resolve(), content)  # a link to a photo stays one
    except OSError as error:
        raise _refused(error, photo) from error
    return photo


def _with_answer(photo: Path, answer: AnswerMetadata) -> bytes:
    """Return the photo with an answer, checked: all else is the same, and so are the pixels."""
    before = read_image(photo)
    after = with_answer(before, answer)
    if without_metadata(before) != without_metadata(after) or _pixels(before) != _pixels(after):
        raise MetadataError(
            "The photo would not be the same with other metadata.",
            "Write the answer into a sidecar instead.",
        )
    return after


def _pixels(data: bytes) -> bytes:
    """Return a hash of the decoded pixels: the photo itself may take gigabytes."""
    with open_image(data) as image:
        return hashlib.sha256(image.tobytes()).digest()


def _check_is_new(target: Path) -> None:
    if os.path.lexists(target):
        raise MetadataError(
            f"There is a file {target} already.", "Name a folder without it for the copies."
        )


def _replace(path: Path, content: bytes) -> None:
    """Write a file aside with the times, rights and attributes of the old one, and rename it."""
    aside = path.with_name(f".{path.name}.{writer_tag()}")
    try:
        _write(aside, content, like=path)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    flush_folder(path.parent)


def _write(path: Path, content: bytes, like: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    shutil.copystat(like, path)


def _refused(error: OSError, path: Path) -> MetadataError:
    return storage_error(error, path, f"{path.name} could not be written", MetadataError)
