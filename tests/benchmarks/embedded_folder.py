"""Embeddings of a folder of photos, computed once a photo and kept from one benchmark to the next.

The folder has a folder of photos for each class, or such folders in `train` and `test`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.training.embeddings import EmbeddingCache
from backend.training.features import Integers
from backend.training.head import Floats, ServableGraph, unit
from backend.training.loaded_version import LoadedVersion, UnreadableImages
from serving.errors import ImageError
from serving.models.builtin.catalog import DEFAULT_BUILT_IN, built_in_models
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.normalize_image import read_normalized_image
from serving.photo_folder import FolderPhoto, scan_photo_folder
from serving.tf.cores import core_count

BATCH = 16
KEPT = Path(tempfile.gettempdir()) / "servery-benchmark-embeddings"


@dataclass(frozen=True)
class Photos:
    """N photos of a part of a folder, each image once."""

    embeddings: Floats
    """[N, D], scaled to length 1."""
    truth: Integers
    """[N]: indices in `classes`."""
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    lengths: Floats
    """[N]: of the embeddings before they were scaled."""

    @property
    def raw(self) -> Floats:
        """The embeddings [N, D] as the network gave them."""
        return self.embeddings * self.lengths[:, None]

    def __len__(self) -> int:
        return len(self.paths)

    def part(self, indices: Integers) -> Photos:
        """Return the photos at these indices."""
        paths = tuple(self.paths[index] for index in indices)
        lengths = self.lengths[indices]
        return Photos(self.embeddings[indices], self.truth[indices], self.classes, paths, lengths)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which photos are embedded, and by which network."""
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    names = [model.name for model in built_in_models()]
    parser.add_argument("--backbone", choices=names, default=DEFAULT_BUILT_IN)
    parser.add_argument("--kept", type=Path, default=KEPT, help="where embeddings are kept")


def embedded(arguments: argparse.Namespace) -> tuple[Photos, Photos]:
    """Return the photos to learn from and those to test with.

    Where the folder has no test part, that is every fourth photo of each class, by the hash
    of its image.
    """
    folder = scan_photo_folder(arguments.data.resolve())
    with ThreadPoolExecutor(core_count()) as pool:
        read = list(pool.map(_hash, folder.photos))
    photos = {image: photo for photo, image in zip(folder.photos, read, strict=True) if image}
    rows = _embed(photos, arguments.backbone, arguments.kept)
    photos = {image: photo for image, photo in photos.items() if image in rows}
    ordered = sorted(photos, key=lambda image: (photos[image].class_name, image))
    test = {image for image in ordered if photos[image].held_out}
    if not test:
        for name in folder.classes:
            test.update([image for image in ordered if photos[image].class_name == name][::4])
    classes = tuple(sorted(folder.classes))

    def select(images: Sequence[str]) -> Photos:
        truth = np.array([classes.index(photos[image].class_name) for image in images], np.int64)
        raw = np.stack([rows[image] for image in images])
        paths = tuple(photos[image].path for image in images)
        return Photos(unit(raw), truth, classes, paths, np.linalg.norm(raw, axis=1))

    return (
        select([image for image in ordered if image not in test]),
        select([image for image in ordered if image in test]),
    )


def _hash(photo: FolderPhoto) -> str:
    """Return the SHA-256 of the normalized photo; empty if it cannot be read."""
    try:
        return hashlib.sha256(read_normalized_image(photo.path)).hexdigest()
    except (OSError, ImageError):
        return ""


def _embed(photos: dict[str, FolderPhoto], backbone: str, kept: Path) -> dict[str, Floats]:
    with tempfile.TemporaryDirectory(prefix="servery-embed-") as folder:
        version = install_built_in(ModelRepository(Path(folder)), backbone)
        cache = EmbeddingCache(kept, ServableGraph(version.path).backbone_hash())
        missing = [image for image in photos if cache.get(image) is None]
        batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
        with LoadedVersion(version.path) as loaded, ThreadPoolExecutor(core_count()) as pool:

            def embed(batch: list[str]) -> dict[str, Floats]:
                jpegs = [read_normalized_image(photos[image].path) for image in batch]
                try:
                    return dict(zip(batch, loaded.embed(jpegs), strict=True))
                except UnreadableImages:
                    if len(batch) == 1:
                        return {}
                return {image: row for one in batch for image, row in embed([one]).items()}

            done = 0
            for batch, embeddings in zip(batches, pool.map(embed, batches), strict=True):
                cache.add(embeddings)
                done += len(batch)
                if sys.stderr.isatty():
                    print(f"\rembedded {done:,} of {len(missing):,}", end="", file=sys.stderr)
        if missing and sys.stderr.isatty():
            print(file=sys.stderr)
    return {image: row for image in photos if (row := cache.get(image)) is not None}
