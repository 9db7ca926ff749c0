"""Turns labelled images into rows to learn from, embedding those that are new."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.store.images import read_image
from backend.training.features import Rows
from backend.training.fine_tuning.tuned_network import EmbeddingNetwork
from backend.training.head import Floats
from backend.training.loaded_version import LoadedVersion, UnreadableImages
from backend.training.warm_backbone import WarmBackbone
from backend.training.worker_protocol import LabeledImage, StoredImage, TrainingSpec
from serving.errors import ModelError
from serving.state_files import UnreadableFile
from serving.tf.cores import core_count

BATCH = 16
"""Photos that one core embeds together: more of them make it no faster."""
MAX_POOL = 3_000
"""Photos without labels that are learned from: more take longer than they are worth."""
MAX_POOL_EMBEDDED = 100
"""Of those, how many a run embeds, which takes a few seconds. Most are embedded when they are
classified; the others follow from run to run."""

_log = logging.getLogger(__name__)

OnDone = Callable[[int, int], None]
"""Called with how many images are embedded, of how many that were new."""


@dataclass(frozen=True)
class EmbeddedImages:
    """The images that could be read as rows, and the others."""

    rows: Rows
    unreadable: tuple[LabeledImage, ...]
    pool: Floats
    """[M, D]: of photos without labels, in the order of their hashes."""


def embed_images(
    spec: TrainingSpec,
    images: tuple[LabeledImage, ...],
    pool: Sequence[StoredImage],
    network: EmbeddingNetwork,
    on_done: OnDone,
    warm: WarmBackbone,
    should_continue: Callable[[], bool] = lambda: True,
) -> EmbeddedImages:
    """Return a row for each of `images` that can be read, embedded by `network`.

    Once `should_continue` says no, images that are not known by then count as unreadable.

    Of `pool`, photos without labels, the newest first, MAX_POOL are taken whose embeddings are
    known; MAX_POOL_EMBEDDED are embedded that are not. Raises ModelError if there are images
    and none can be read.
    """
    cache, size = network.cache(Path(spec.embeddings_folder)), network.size
    missing: list[LabeledImage | StoredImage] = [
        image for image in images if cache.get(image.image) is None
    ]
    labelled = {image.image for image in images}
    others = [image for image in pool if image.image not in labelled]
    missing += [image for image in others if cache.get(image.image) is None][:MAX_POOL_EMBEDDED]
    if missing:
        on_done(0, len(missing))
        batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
        done = 0

        def embed(batch: list[LabeledImage | StoredImage]) -> dict[str, Floats]:
            return embed_batch(version, batch) if should_continue() else {}

        with warm.loaded(network) as version, ExitStack() as stack:
            threads = ThreadPoolExecutor(core_count())
            # What an error leaves over is not embedded for nothing.
            stack.callback(threads.shutdown, cancel_futures=True)
            # A batch for each core: cores that share one wait for each other all the time.
            for batch, embeddings in zip(batches, threads.map(embed, batches), strict=True):
                cache.add(embeddings)
                done += len(batch)
                on_done(done, len(missing))
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
    newest = [image.image for image in others if cache.get(image.image) is not None][:MAX_POOL]
    unlabelled = [cache.get(image) for image in sorted(newest)]
    return EmbeddedImages(
        rows,
        tuple(image for image, embedding in found if embedding is None),
        np.array(unlabelled, np.float32).reshape(len(unlabelled), size),
    )


def known_pool(spec: TrainingSpec, *networks: EmbeddingNetwork) -> list[Floats]:
    """Return the embeddings [M, D] of photos without labels that are known to all `networks`.

    At most MAX_POOL, the newest first: no time is spent on others.
    """
    caches = [network.cache(Path(spec.embeddings_folder)) for network in networks]
    images = [photo.image for photo in spec.unlabelled]
    known = [image for image in images if all(cache.get(image) is not None for cache in caches)]
    return [
        np.array([cache.get(image) for image in known[:MAX_POOL]], np.float32).reshape(
            -1, network.size
        )
        for cache, network in zip(caches, networks, strict=True)
    ]


def read(image: LabeledImage | StoredImage) -> bytes | None:
    """Return the JPEG of an image, or None if it is damaged or there is none any more."""
    try:
        return read_image(Path(image.path))
    except UnreadableFile as error:
        which = f" of class {image.class_name}" if isinstance(image, LabeledImage) else ""
        _log.warning("The photo%s is left out. %s", which, error.what)
        return None


def embed_batch(
    version: LoadedVersion, batch: list[LabeledImage | StoredImage]
) -> dict[str, Floats]:
    files = {image.image: data for image in batch if (data := read(image)) is not None}
    if not files:
        return {}
    try:
        return dict(zip(files, version.embed(list(files.values())), strict=True))
    except UnreadableImages:
        if len(batch) == 1:
            return {}
    # Find out which, so that it costs no other.
    return {name: row for image in batch for name, row in embed_batch(version, [image]).items()}
