"""Reads a folder with one folder a class: its photos become images with labels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from backend.contract import SkippedFile
from backend.store.images import ImageFolder
from backend.training.worker_protocol import LabeledImage, PhotosRead, ReadPhoto, TrainingSpec
from serving.errors import ImageError
from serving.normalize_image import MAX_BYTES, read_normalized_image
from serving.photo_folder import (
    FolderPhoto,
    SkippedPath,
    assign_photos,
    scan_photo_folder,
    skip_reason,
)
from serving.tf.cores import core_count

BATCH = 64
_BATCH_BYTES = 64 * 2**20
"""Of the files of a batch: two batches are in memory at once."""
_MAX_THREADS = 4
"""Photos that are decoded side by side, however many cores there are: each takes memory."""

OnPhotos = Callable[[PhotosRead], None]
OnDone = Callable[[int, int], None]
"""Called with how many photos were read, of how many."""


@dataclass(frozen=True)
class ImportedPhotos:
    """What is labelled now because of a folder, and the files of it that are not."""

    images: tuple[LabeledImage, ...]
    skipped: tuple[SkippedFile, ...]
    notes: tuple[str, ...]
    """Sentences about how the folder was understood."""


@dataclass(frozen=True)
class _Prepared:
    photo: FolderPhoto
    image: str
    jpeg: bytes | None
    """None if the image is stored already."""


def import_photos(
    spec: TrainingSpec, on_photos: OnPhotos, on_done: OnDone, *, known: Sequence[str] = ()
) -> ImportedPhotos:
    """Store the photos of `spec.import_folder` as images, and report each batch to `on_photos`.

    A class that differs only in capitals from a labelled one or from one of `known`, the
    classes of the base version, is that one. A photo that has the same label already is
    only looked at; one that cannot be used costs itself alone. Raises NotAPhotoFolder, and
    BackendError if an image cannot be stored.
    """
    folder = scan_photo_folder(Path(spec.import_folder))
    importer = _Importer(spec, known, folder.root, on_photos)
    importer.leave_out(folder.skipped)
    with ThreadPoolExecutor(min(core_count(), _MAX_THREADS)) as pool:
        digests = dict(zip(folder.photos, pool.map(_digest, folder.photos), strict=True))
        photos = importer.without_copies(digests)
        done = 0
        for batch in _ahead(pool, lambda photo: importer.prepare(photo, digests[photo]), photos):
            importer.store(batch)
            done += len(batch)
            on_done(done, len(photos))
    images = tuple(importer.images.values())
    return ImportedPhotos(images, tuple(importer.skipped), folder.notes)


class _Importer:
    def __init__(
        self, spec: TrainingSpec, known: Sequence[str], root: Path, on_photos: OnPhotos
    ) -> None:
        self.images: dict[str, LabeledImage] = {}
        self.skipped: list[SkippedFile] = []
        self._root = root
        self._on_photos = on_photos
        self._folder = ImageFolder(Path(spec.images_folder))
        self._labels = {image.image: (image.class_name, image.held_out) for image in spec.images}
        names = (*known, *(name for name, _ in self._labels.values()))
        self._spellings = {name.casefold(): name for name in names}
        self._photos: dict[str, FolderPhoto] = {}

    def without_copies(self, digests: dict[FolderPhoto, str]) -> list[FolderPhoto]:
        """Return the photos less the copies of files, which are skipped."""
        assignment = assign_photos((photo, digest) for photo, digest in digests.items() if digest)
        self.leave_out(assignment.skipped)
        copies = {entry.path for entry in assignment.skipped}
        return [photo for photo in digests if photo.path not in copies]

    def prepare(self, photo: FolderPhoto, digest: str) -> _Prepared | SkippedPath:
        """Read and normalize a photo; thread-safe."""
        if self._labels.get(digest) == self._label(photo) and self._folder.is_whole(digest):
            return _Prepared(photo, digest, None)
        try:
            jpeg = read_normalized_image(photo.path)
        except ImageError as error:
            return skip_reason(photo.path, error)
        return _Prepared(photo, hashlib.sha256(jpeg).hexdigest(), jpeg)

    def store(self, batch: Sequence[_Prepared | SkippedPath]) -> None:
        """Store the images of a batch, then report them."""
        self.leave_out(entry for entry in batch if isinstance(entry, SkippedPath))
        prepared = [entry for entry in batch if isinstance(entry, _Prepared)]
        self._folder.put_many([entry.jpeg for entry in prepared if entry.jpeg is not None])
        read: list[ReadPhoto] = []
        for entry in prepared:
            image, photo = entry.image, entry.photo
            if image in self._photos:
                self._leave_out_copy(photo, image)
                continue
            self._photos[image] = photo
            class_name, held_out = label = self._label(photo)
            path = str(self._folder.path(image))
            self.images[image] = LabeledImage(image, path, class_name, held_out)
            if self._labels.get(image) != label:
                read.append(ReadPhoto(image, class_name, held_out))
        if read:
            self._on_photos(PhotosRead(tuple(read)))

    def leave_out(self, entries: Iterable[SkippedPath]) -> None:
        for entry in entries:
            detail = _as_text(entry.detail)  # has the names of other files
            reason = f"{entry.reason}: {detail}" if detail else str(entry.reason)
            self.skipped.append(SkippedFile(self._name(entry.path), reason))

    def _leave_out_copy(self, photo: FolderPhoto, image: str) -> None:
        """Leave out a file that differs from an earlier one but holds the same image."""
        pair = [(self._photos[image], image), (photo, image)]
        reason = assign_photos(pair).skipped[-1].reason
        self.skipped.append(SkippedFile(self._name(photo.path), str(reason)))

    def _label(self, photo: FolderPhoto) -> tuple[str, bool]:
        name = self._spellings.get(photo.class_name.casefold(), photo.class_name)
        return name, photo.held_out

    def _name(self, path: Path) -> str:
        """Return the path below the folder, which need not be text, as text."""
        shown = path.relative_to(self._root) if path.is_relative_to(self._root) else path
        return _as_text(str(shown))


def _as_text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def _digest(photo: FolderPhoto) -> str:
    """Return the SHA-256 of a file; empty if it cannot be read or is too large to be."""
    try:
        if photo.path.stat().st_size > MAX_BYTES:
            return ""
        with photo.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _ahead(
    pool: ThreadPoolExecutor,
    prepare: Callable[[FolderPhoto], _Prepared | SkippedPath],
    photos: Sequence[FolderPhoto],
) -> Iterator[list[_Prepared | SkippedPath]]:
    """Yield the prepared photos in batches, preparing each while the one before is stored."""
    ahead: list[Future[_Prepared | SkippedPath]] = []
    for batch in (*_batches(photos), ()):
        current = ahead
        ahead = [pool.submit(prepare, photo) for photo in batch]
        if current:
            yield [future.result() for future in current]


def _batches(photos: Sequence[FolderPhoto]) -> Iterator[Sequence[FolderPhoto]]:
    batch: list[FolderPhoto] = []
    size = 0
    for photo in photos:
        length = _length(photo.path)
        if batch and (len(batch) >= BATCH or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(photo)
        size += length
    if batch:
        yield batch


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # reported when it is read
        return 0
