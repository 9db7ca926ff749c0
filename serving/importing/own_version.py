"""Versions of Servery, which answer the servable contract as they are."""

from __future__ import annotations

from pathlib import Path

from serving.errors import ModelError
from serving.importing.interface import (
    Channels,
    InputKind,
    Interface,
    OutputKind,
    PreviewScore,
    Resize,
    ValueRange,
)
from serving.models.card import ModelCard
from serving.tf import names
from serving.tf.cores import core_count
from serving.tf.session import Session
from serving.tf.status import ServingError
from serving.tf.tensors import string_tensor


def interface_of_version(card: ModelCard) -> Interface:
    """Return what a version with this card takes and gives, of which nothing is guessed."""
    return Interface(
        signature=names.CLASSIFY_SIGNATURE,
        takes=InputKind.JPEG,
        height=None,
        width=None,
        value_range=ValueRange.BYTES,
        channels=Channels.RGB,
        resize=Resize.CROP,
        gives=OutputKind.SCORES,
        classes=len(card.classes),
        embedding_size=card.embedding_size,
    )


def answers_of_version(folder: Path, photo: bytes, count: int) -> tuple[PreviewScore, ...]:
    """Return the best classes for one JPEG file, at most so many; raises ModelError."""
    try:
        session = Session(folder, [names.SERVE_TAG], core_count(), core_count(), trusted=True)
        signature = session.signatures[names.CLASSIFY_SIGNATURE]
        fetches = [signature.outputs[each].name for each in (names.CLASSES, names.SCORES)]
        compute = session.computation([signature.inputs[names.IMAGES].name], fetches)
        classes, scores = (each.array[0] for each in compute([string_tensor([photo])], None))
        session.close()
    except (ServingError, KeyError) as error:
        raise ModelError(
            f"The version does not answer: {error}", "Export it from where it works, once more."
        ) from error
    best = zip(classes[:count], scores[:count], strict=True)
    return tuple(PreviewScore(name.decode(), float(score)) for name, score in best)
