"""Takes labels with their photos out of files of other programs."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from backend.contract import LABELS_CSV, TASKS_JSON, LabelImport, SkippedFile
from backend.http_errors import HttpError
from backend.label_files.csv_file import read_csv
from backend.label_files.found import FoundLabel, FoundLabels, LabelFileError
from backend.label_files.label_studio_read import read_label_studio
from backend.models.catalog import ModelCatalog
from backend.photos.photo_decoder import PhotoDecoder
from backend.store.label_exchange import WrittenLabel
from backend.store.store import Store
from serving.errors import ImageError
from serving.normalize_image import read_image
from serving.progress import Report

_BATCH = 16
"""Photos in memory at once."""
_AT_ONCE = 4
"""Files that are read and decoded side by side: each may have 64 MB."""
_SMALL_BYTES = 2 * 2**20
_TWO_NAMES = "Two photos of the file would be the same one here."


class LabelImporter:
    """Reads files with labels, and stores what they say of photos that are there."""

    def __init__(self, store: Store, catalog: ModelCatalog, decoder: PhotoDecoder) -> None:
        self._store, self._catalog, self._decoder = store, catalog, decoder
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def take(
        self, model: str, source: Path, reading: FoundLabels, report: Report
    ) -> LabelImport:
        """Store the photos that were found, then all their labels at once, as one action.

        A photo that cannot be read costs itself; so does one that the labels of two photos
        would be given to. Until the last step, cancelling it leaves the labels as they were.
        """
        skipped = list(reading.skipped)
        places = await asyncio.to_thread(_places, reading.labels)
        ambiguous = _named_twice(places)
        skipped += [SkippedFile(photo, _TWO_NAMES) for photo in ambiguous]
        images, unusable = await self._photos(
            {photo: path for photo, path in places.items() if photo not in ambiguous}, report
        )
        skipped += unusable
        labels = [
            _of_image(label, images[label.photo])
            for label in reading.labels
            if label.photo in images
        ]
        known = await self._catalog.known_classes(model)
        spelling = {name.casefold(): name for name in known}
        spelled = [_spelled(label, spelling) for label in labels]
        report(len(places), len(places), "Storing the labels")
        taken = await self._store.exchange.take(model, spelled, lambda name: name not in known)
        return LabelImport(
            model=model,
            source=str(source),
            labels=taken.new,
            known=taken.known,
            outdated=taken.outdated,
            photos=taken.photos,
            action=taken.action,
            skipped=skipped,
        )

    async def _photos(
        self, places: dict[str, Path], report: Report
    ) -> tuple[dict[str, str], list[SkippedFile]]:
        """Store photos; returns the image of each, by how the file names it, and the others."""
        images: dict[str, str] = {}
        skipped = []
        photos = list(places)
        for first in range(0, len(photos), _BATCH):
            report(first, len(photos), "Reading photos")
            batch = photos[first : first + _BATCH]
            found = await asyncio.gather(*(self._photo(places[photo]) for photo in batch))
            jpegs = {
                p: each for p, each in zip(batch, found, strict=True) if isinstance(each, bytes)
            }
            names = await asyncio.to_thread(self._store.images.put_many, list(jpegs.values()))
            images |= zip(jpegs, names, strict=True)
            skipped += [
                SkippedFile(photo, each)
                for photo, each in zip(batch, found, strict=True)
                if isinstance(each, str)
            ]
        return images, skipped

    async def _photo(self, path: Path) -> bytes | str:
        """Return the normalized photo in a file, or why there is none.

        Raises HttpError if there is no memory at the moment: that is no fault of the photo.
        """
        async with self._free:
            try:
                return await self._normalized(path)
            except HttpError as error:
                if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
                return error.what
            except ImageError as error:
                return error.what
            except OSError as error:
                return f"The photo cannot be read: {error.strerror}."

    async def _normalized(self, path: Path) -> bytes:
        content = await asyncio.to_thread(read_image, path)
        if await asyncio.to_thread(self._is_stored, content):
            return content
        if len(content) <= _SMALL_BYTES:
            plain = await self._decoder.normalize_plain(content)
            if plain is not None:
                return plain
        del content  # it is read again, by the program that decodes it
        return await self._decoded(path)

    def _is_stored(self, content: bytes) -> bool:
        """Whether it is a photo of this workspace, which needs no other look."""
        return self._store.images.is_whole(hashlib.sha256(content).hexdigest())

    async def _decoded(self, path: Path) -> bytes:
        file = os.open(path, os.O_RDONLY)
        try:
            photo = await self._decoder.normalize(file)
            try:
                begin, end = photo.place
                return await asyncio.to_thread(os.pread, photo.file, end - begin, begin)
            finally:
                if photo.file != file:
                    os.close(photo.file)
        finally:
            os.close(file)


def read_source(source: Path, photos: Path | None, by: str, control: str) -> FoundLabels:
    """Read a file with labels, or a folder that labels were exported to; blocks.

    Raises LabelFileError if it is neither.
    """
    path = source
    if source.is_dir():
        files = [source / name for name in (LABELS_CSV, TASKS_JSON)]
        found = next((file for file in files if file.is_file()), None)
        if found is None:
            names = " nor ".join(file.name for file in files)
            raise LabelFileError(
                f"The folder {source} has no {names}.",
                "To learn from a folder with a folder of photos for each class, send it to"
                " `POST /models/NAME/import`.",
            )
        path = found
    folder = photos or path.parent
    if path.suffix.lower() == ".json" or _begins_like_json(path):
        return read_label_studio(path, folder, by, control)
    return read_csv(path, folder, by)


def _begins_like_json(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{")
    except (OSError, ValueError):
        return False  # said when it is read


def _places(labels: Sequence[FoundLabel]) -> dict[str, Path]:
    """Return where each photo is: the first of its places that is there, or the first of all."""
    places: dict[str, Path] = {}
    for label in labels:
        if label.photo not in places:
            places[label.photo] = next(filter(_is_there, label.paths), label.paths[0])
    return places


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _named_twice(places: dict[str, Path]) -> list[str]:
    """Return the photos that the same file was found for under different names.

    With folders left out of their paths, photos of two folders would be one.
    """
    photos: defaultdict[Path, list[str]] = defaultdict(list)
    for photo, path in places.items():
        photos[path].append(photo)
    return [photo for named in photos.values() if len(named) > 1 for photo in named]


def _of_image(label: FoundLabel, image: str) -> WrittenLabel:
    said = label.said
    return WrittenLabel(
        image=image,
        class_name=said.class_name,
        kind=said.kind,
        by=said.by,
        created=said.created,
        settles=said.settles,
        held_out=said.held_out,
    )


def _spelled(label: WrittenLabel, spelling: dict[str, str]) -> WrittenLabel:
    name = spelling.get(label.class_name.casefold(), label.class_name)
    return label if name == label.class_name else replace(label, class_name=name)
