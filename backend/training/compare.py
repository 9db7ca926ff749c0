"""The program that asks two versions about the same photos; TensorFlow stays in it.

`python -m backend.training.compare` is a `serving.job_program`: its request is a
CompareSpec, its answer a list with a ComparedPhoto for each photo.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from backend.store.images import read_image
from backend.training.embeddings import EmbeddingCache
from backend.training.head import Floats, Head, ServableGraph, softmax
from backend.training.loaded_version import LoadedVersion, UnreadableImages
from serving.errors import ImageError, ModelError
from serving.job_program import be_job
from serving.normalize_image import read_normalized_image
from serving.progress import Report, no_report
from serving.state_files import UnreadableFile
from serving.tf.cores import core_count

_T = TypeVar("_T")

BATCH = 32
_UNDECODABLE = "The model cannot decode it."

Answer = tuple[str, float]
"""A class and its score; an empty name from a version without classes."""
Ranking = tuple[Answer, ...]
"""At least one, the best first."""
RANKED = 5
"""Classes of a version for a photo."""


@dataclass(frozen=True)
class CompareSpec:
    """Versions by their folders, and photos."""

    version_folders: tuple[str, ...]
    images: tuple[tuple[str, str], ...]
    """Stored photos by the SHA-256 and the path of their JPEG files."""
    embeddings_folder: str
    """Where training keeps embeddings; only read here."""
    files: tuple[str, ...]
    """Paths of image files of any kind."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, raw: Any) -> CompareSpec:
        """Return what `to_json` and `json.loads` made of one."""
        images = tuple((image, path) for image, path in raw["images"])
        folders, files = tuple(raw["version_folders"]), tuple(raw["files"])
        return cls(folders, images, raw["embeddings_folder"], files)


@dataclass(frozen=True)
class ComparedPhoto:
    """A photo, and what each version answers for it."""

    image: str
    """SHA-256 of the normalized JPEG."""
    file: str
    """The path that it was given by; empty for a stored photo."""
    rankings: tuple[Ranking, ...] = ()
    """Of each version."""
    problem: str = ""
    """Why there are no answers, as a sentence; empty if there are."""

    @property
    def answers(self) -> list[Answer]:
        """The best class of each version."""
        return [ranking[0] for ranking in self.rankings]

    @classmethod
    def from_json(cls, raw: Any) -> ComparedPhoto:
        """Return what `asdict` and JSON made of one."""
        rankings = tuple(
            tuple((str(name), float(score)) for name, score in ranking)
            for ranking in raw["rankings"]
        )
        return cls(str(raw["image"]), str(raw["file"]), rankings, str(raw["problem"]))


@dataclass(frozen=True)
class _Photo:
    image: str
    file: str
    read: Callable[[], bytes]
    """Returns the normalized JPEG."""
    problem: str = ""
    """Why it cannot be read, as a sentence."""


_Answerer = Callable[[list[_Photo]], list[Ranking]]


def compare(spec: CompareSpec, report: Report = no_report) -> list[ComparedPhoto]:
    """Return the answers of each version, for `images` and then for `files`; raises ModelError.

    Of a photo that cannot be read, why.
    """
    compared: list[ComparedPhoto] = []
    with ExitStack() as stack:
        embedders: dict[str, _Embedder] = {}
        answerers = [
            _answerer(Path(folder), spec, embedders, stack) for folder in spec.version_folders
        ]
        for photos in _photos(spec):
            readable = [photo for photo in photos if not photo.problem]
            found = iter(_compared(answerers, readable) if readable else ())
            compared += [
                ComparedPhoto(photo.image, photo.file, problem=photo.problem)
                if photo.problem
                else next(found)
                for photo in photos
            ]
            total = len(spec.images) + len(spec.files)
            report(len(compared), total, f"{len(compared):,} of {total:,} answered")
    return compared


def _compared(answerers: Sequence[_Answerer], photos: list[_Photo]) -> list[ComparedPhoto]:
    """Return the answers for `photos`, or that a version cannot decode one."""
    try:
        columns = [answerer(photos) for answerer in answerers]
    except UnreadableImages:
        if len(photos) == 1:
            (photo,) = photos
            return [ComparedPhoto(photo.image, photo.file, problem=_UNDECODABLE)]
        # Find out which, so that it costs no other.
        return [found for photo in photos for found in _compared(answerers, [photo])]
    return [
        ComparedPhoto(photo.image, photo.file, tuple(answers))
        for photo, *answers in zip(photos, *columns, strict=True)
    ]


def _photos(spec: CompareSpec) -> Iterator[list[_Photo]]:
    """Yield the photos in batches, so that not all files are in memory at once."""
    for images in _batches(spec.images):
        yield [_stored(image, Path(path)) for image, path in images]
    with ThreadPoolExecutor(core_count()) as pool:
        for files in _batches(spec.files):
            yield list(pool.map(_read_file, files))


def _batches(photos: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (photos[start : start + BATCH] for start in range(0, len(photos), BATCH))


def _stored(image: str, path: Path) -> _Photo:
    """Return a labelled photo, which may be gone or damaged."""
    try:
        jpeg = read_image(path)
    except UnreadableFile as error:
        return _Photo(image, "", bytes, f"It cannot be read: {error.fault}.")
    return _Photo(image, "", partial(bytes, jpeg))


def _read_file(file: str) -> _Photo:
    path = Path(file)
    try:
        if not path.is_file():  # a pipe would be waited for
            return _Photo("", file, bytes, "It is gone, or is not a file.")
        jpeg = read_normalized_image(path)
    except ImageError as error:
        return _Photo("", file, bytes, error.what)
    except OSError as error:
        return _Photo("", file, bytes, f"It cannot be read: {error.strerror}.")
    return _Photo(hashlib.sha256(jpeg).hexdigest(), file, lambda: jpeg)


def _answerer(
    folder: Path, spec: CompareSpec, embedders: dict[str, _Embedder], stack: ExitStack
) -> _Answerer:
    try:
        graph = ServableGraph(folder)
    except ModelError:  # no head that could be computed here
        return partial(_predicted, stack.enter_context(LoadedVersion(folder)))
    head = graph.head()
    if not head.classes:
        return lambda photos: [(("", 0.0),)] * len(photos)
    backbone = graph.backbone_hash()
    if backbone not in embedders:
        cache = EmbeddingCache(Path(spec.embeddings_folder), backbone)
        embedders[backbone] = _Embedder(folder, cache, stack)
    return partial(_computed, head, embedders[backbone])


class _Embedder:
    """Embeds photos with a backbone, which is loaded if some are not known yet."""

    def __init__(self, folder: Path, cache: EmbeddingCache, stack: ExitStack) -> None:
        self._folder = folder
        self._cache = cache
        self._stack = stack
        self._version: LoadedVersion | None = None
        self._embedded: dict[str, Floats] = {}

    def rows(self, photos: list[_Photo]) -> Floats:
        """Return the embeddings [N, D]; those of one photo are computed once."""
        missing = {photo.image: photo for photo in photos if self._known(photo.image) is None}
        if missing:
            if self._version is None:
                self._version = self._stack.enter_context(LoadedVersion(self._folder))
            rows = self._version.embed([photo.read() for photo in missing.values()])
            self._embedded.update(zip(missing, rows, strict=True))
        known = [self._known(photo.image) for photo in photos]
        return np.stack([row for row in known if row is not None])

    def _known(self, image: str) -> Floats | None:
        row = self._cache.get(image)
        return self._embedded.get(image) if row is None else row


def _computed(head: Head, embedder: _Embedder, photos: list[_Photo]) -> list[Ranking]:
    scores = softmax(head.logits(embedder.rows(photos)))
    best = np.argsort(-scores, axis=1, kind="stable")[:, :RANKED]
    return [
        tuple((head.classes[index], float(row[index])) for index in ranked)
        for row, ranked in zip(scores, best, strict=True)
    ]


def _predicted(version: LoadedVersion, photos: list[_Photo]) -> list[Ranking]:
    classes, scores = version.predict([photo.read() for photo in photos])
    return [
        tuple(
            (name.decode(), float(score))
            for name, score in zip(names[:RANKED], row[:RANKED], strict=True)
        )
        for names, row in zip(classes, scores, strict=True)
    ]


def main() -> int:
    return be_job(
        lambda raw, report: [asdict(photo) for photo in compare(CompareSpec.from_json(raw), report)]
    )


if __name__ == "__main__":
    exit_code = main()
    # TensorFlow takes about a second to free what the operating system frees anyway.
    os._exit(exit_code)
