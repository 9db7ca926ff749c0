"""What is familiar to the thousand classes of a built-in network."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from serving.models.builtin.catalog import BuiltInModel, built_in_models
from serving.models.builtin.imagenet import imagenet_classes
from serving.models.card import ModelCard
from serving.models.familiarity import Floats, OldClasses

EMBEDDING_MEAN_FILE = Path("assets.extra") / "embedding_mean.npy"
"""Float32 [D]: about the mean embedding of what the network learned from; for training, and for
what is familiar."""
_LOGIT_OF_TYPICAL = 3.0
"""Logit of the familiarity of the median photo: 95%."""


_OF_IMAGENET = 0.9
"""Classes are a built-in network's if so large a share of them has ImageNet's names; people
rename, merge and delete some."""
_MIN_CLASSES = 100


def familiar_to(model: BuiltInModel, classes: int, embedding_mean: Floats) -> OldClasses:
    """Return what is familiar to so many classes of a built-in model."""
    return OldClasses(
        count=classes,
        mean=embedding_mean,
        threshold=model.least_familiar,
        slope=_LOGIT_OF_TYPICAL / (model.typical - model.least_familiar),
    )


def old_classes(version_folder: Path, classes: Sequence[str]) -> OldClasses | None:
    """Return what is familiar to `classes`, which a version had before anyone taught it.

    None if there are none, or others than those of a built-in model. Raises ModelError.
    """
    names = {each.name for each in imagenet_classes()}
    if len(classes) < _MIN_CLASSES or (
        len(names.intersection(classes)) < _OF_IMAGENET * len(classes)
    ):
        return None
    card = ModelCard.read(version_folder)
    for model in built_in_models():
        if model.name == card.backbone:
            try:
                mean = np.load(version_folder / EMBEDDING_MEAN_FILE, allow_pickle=False)
            except (OSError, EOFError, ValueError, zipfile.BadZipFile):
                return None
            if mean.shape != (card.embedding_size,):
                return None
            return familiar_to(model, len(classes), mean.astype(np.float32))
    return None
