"""Writes a version that answers the servable contract from a model of another program."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from serving.clock import utc_now
from serving.errors import ModelError
from serving.importing.head_split import HeadSplit
from serving.importing.interface import InputKind, Interface
from serving.importing.label_files import check_count
from serving.importing.network import Network
from serving.importing.pixels import preprocessing_text
from serving.importing.source import Source
from serving.models.builtin.old_classes import EMBEDDING_MEAN_FILE
from serving.models.card import CARD_PATH, ModelCard
from serving.models.choose_runtime import record_runtime
from serving.models.servable import TOP_K, write_graph
from serving.models.warm_up import write_warmup
from serving.tf import names
from serving.tf.cores import core_count
from serving.tf.graph_safety import unsafe_parts
from serving.tf.session import Session
from serving.tf.status import ServingError
from serving.tf.tensors import string_tensor

TOLERANCE = 1e-4
"""How far a score of the version may be from that of the source."""
_SAMPLE_SIZES = ((320, 240), (200, 500), (224, 224), (1600, 1200))
"""Width and height of the photos that a version is compared on if a person gives none."""


@dataclass(frozen=True)
class WrittenVersion:
    """What was written, and how it compares with where it comes from."""

    card: ModelCard
    difference: float
    """The largest between its scores and those of the source, 0 to 1."""
    photos: int
    """On which they were compared."""
    unsafe_operations: tuple[str, ...] = ()
    """By what the version can do more than compute; someone trusts it if there are any."""


def write_version(
    folder: Path,
    source: Source,
    interface: Interface,
    labels: Sequence[str],
    *,
    card: ModelCard,
    photos: Sequence[bytes] = (),
) -> WrittenVersion:
    """Write a version into an empty folder, and check it there.

    `card` says its name, origin and licence; what else stands in it is filled in here. It is
    compared with the source on `photos`, JPEG files, or on generated ones without any. Raises
    UnusableLabels if there is not one label for each class, and ModelError if the version does
    not answer as the source.
    """
    check_count(labels, interface.classes, "the list of labels")
    network = Network(source, interface)
    embed, split = network.embedding_function()
    write_graph(
        folder,
        embed=embed,
        head_kernel=split.kernel,
        head_bias=split.bias,
        classes=labels,
        exclusive=split.exclusive,
    )
    write_warmup(folder)
    mean = source.embedding_mean
    if mean is not None and split.is_layer and mean.shape == split.kernel.shape[:1]:
        path = folder / EMBEDDING_MEAN_FILE
        path.parent.mkdir(exist_ok=True)
        np.save(path, mean)
    card = _completed(card, interface, labels, split)
    (folder / CARD_PATH).write_text(card.to_json())
    unsafe = tuple(unsafe_parts(folder))
    photos = photos or sample_photos()
    expected = network.scores(network.reference(photos))
    difference = _difference(folder, labels, expected, photos)
    if difference > TOLERANCE:
        raise ModelError(
            f"The imported model would not answer as the original: a score differs by"
            f" {difference:.2g}, and {TOLERANCE:.0e} is allowed.",
            "Check value range, channels and outputs; if they are right, report it.",
        )
    try:
        record_runtime(folder, photos)
    except ServingError as error:
        raise _not_servable(error) from error
    return WrittenVersion(ModelCard.read(folder), difference, len(photos), unsafe)


def sample_photos() -> list[bytes]:
    """Return JPEG files of several sizes, with waves and noise in them, always the same ones."""
    generator = np.random.default_rng(20)
    photos = []
    for number, (width, height) in enumerate(_SAMPLE_SIZES):
        y, x = np.mgrid[0:height, 0:width]
        waves = [
            np.sin((3 + number) * x / width * 6 + shift) * np.cos((2 + number) * y / height * 6)
            for shift in (0, 1, 2)
        ]
        pixels = np.stack(waves, axis=-1) * 100 + 128 + generator.normal(0, 12, (height, width, 3))
        out = io.BytesIO()
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
        photos.append(out.getvalue())
    return photos


def _completed(
    card: ModelCard, interface: Interface, labels: Sequence[str], split: HeadSplit
) -> ModelCard:
    square = interface.height == interface.width and interface.takes is not InputKind.JPEG
    text = [card.description] if card.description else []
    if not split.is_layer:
        text.append("What it learns, it learns from the scores: it has no layer below them.")
    if not split.exclusive:
        text.append(
            "Its scores do not sum up to 100%: a photo may show several of its classes. Once it is"
            " taught, its classes exclude each other."
        )
    return replace(
        card,
        classes=tuple(labels),
        description=" ".join(text),
        created=card.created or utc_now(),
        input_side=interface.height if square else None,
        embedding_size=len(split.kernel),
        preprocessing=preprocessing_text(interface),
    )


def _not_servable(error: ServingError) -> ModelError:
    return ModelError(f"The imported model cannot be served: {error.message[:300]}", "Report it.")


def _difference(
    folder: Path, labels: Sequence[str], expected: Any, photos: Sequence[bytes]
) -> float:
    """Return by how much the version's scores differ at most, as an instance computes them."""
    try:
        session = Session(folder, [names.SERVE_TAG], core_count(), core_count(), trusted=True)
        signature = session.signatures[names.CLASSIFY_SIGNATURE]
        fetches = [signature.outputs[each].name for each in (names.CLASSES, names.SCORES)]
        compute = session.computation([signature.inputs[names.IMAGES].name], fetches)
        classes, scores = (each.array for each in compute([string_tensor(list(photos))], None))
        session.close()
    except ServingError as error:
        raise _not_servable(error) from error
    at = {label.encode(): number for number, label in enumerate(labels)}
    shown = min(TOP_K, len(labels))
    if classes.shape != (len(photos), shown) or scores.shape != classes.shape:
        raise ModelError("The imported model does not answer with its classes.", "Report it.")
    found = [[at[name] for name in row] for row in classes]
    difference = np.abs(np.take_along_axis(expected, np.array(found), axis=1) - scores).max()
    # What is not shown is at most as probable as the last that is.
    best = -np.sort(-expected, axis=1)[:, :shown]
    largest = float(max(difference, np.abs(best - scores).max()))
    return largest if np.isfinite(largest) else float("inf")
