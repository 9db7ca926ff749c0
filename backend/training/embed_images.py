"""Turns labelled images into rows to learn from, embedding those that are new."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.training.embeddings import EmbeddingCache
from backend.training.features import Rows
from backend.training.head import Floats
from backend.training.loaded_version import LoadedVersion
from backend.training.worker_protocol import LabeledImage, TrainingSpec
from serving.errors import ModelError

BATCH = 32

OnDone = Callable[[int, int], None]
"""Called with how many images are embedded, of how many that were new."""


@dataclass(frozen=True)
class EmbeddedImages:
    """The images that could be read as rows, and the others."""

    rows: Rows
    unreadable: tuple[LabeledImage, ...]


def embed_images(
    spec: TrainingSpec,
    images: tuple[LabeledImage, ...],
    backbone: str,
    size: int,
    on_done: OnDone,
) -> EmbeddedImages:
    """Return a row for each of `images` that can be read, embedded by the base version.

    `backbone` is the hash of its network, whose embeddings have `size` numbers.
    Raises ModelError if there are images and none can be read.
    """
    cache = EmbeddingCache(Path(spec.embeddings_folder), backbone)
    missing = [image for image in images if cache.get(image.image) is None]
    if missing:
        on_done(0, len(missing))
        with LoadedVersion(Path(spec.base_folder)) as version:
            for start in range(0, len(missing), BATCH):
                batch = missing[start : start + BATCH]
                cache.add(_embed(version, batch))
                on_done(start + len(batch), len(missing))
    found = [(image, cache.get(image.image)) for image in images]
    known = [(image, embedding) for image, embedding in found if embedding is not None]
    if images and not known:
        raise ModelError(
            "None of the labelled photos can be read any more.",
            "Label some photos again, then train.",
        )
    rows = Rows(
        np.array([embedding for _, embedding in known], np.float32).reshape(len(known), size),
        tuple(image.class_name for image, _ in known),
        tuple(image.image for image, _ in known),
    )
    return EmbeddedImages(rows, tuple(image for image, embedding in found if embedding is None))


def read(image: LabeledImage) -> bytes | None:
    """Return the JPEG of an image, or None if there is none any more."""
    try:
        return Path(image.path).read_bytes()
    except OSError:
        return None


def _embed(version: LoadedVersion, batch: list[LabeledImage]) -> dict[str, Floats]:
    files = {image.image: data for image in batch if (data := read(image)) is not None}
    if not files:
        return {}
    try:
        return dict(zip(files, version.embed(list(files.values())), strict=True))
    except ModelError:
        if len(files) == 1:
            raise
    # One of them is damaged: find out which, so that it costs no other.
    embeddings: dict[str, Floats] = {}
    for image, data in files.items():
        try:
            (embeddings[image],) = version.embed([data])
        except ModelError:
            continue
    if not embeddings:
        # Hardly all photos at once: rather the version cannot compute at all.
        version.embed(list(files.values()))
    return embeddings
