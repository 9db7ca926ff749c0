"""Networks that Keras builds by itself, with weights from a file."""

from __future__ import annotations

from pathlib import Path

import keras

from serving.errors import ModelError
from serving.importing.hdf5 import check_weights
from serving.importing.interface import KerasApplication, ModelFormat
from serving.importing.keras_source import source_of
from serving.importing.source import Hints, Source
from serving.models.builtin.imagenet import imagenet_classes
from serving.models.card import ModelCard


def load_application(application: KerasApplication, weights: Path) -> Source:
    """Build a network of Keras Applications with the weights in a file.

    Raises ModelError if they are not its weights.
    """
    check_weights(weights)
    try:
        model = getattr(keras.applications, application.architecture)(weights=str(weights))
    except (TypeError, ValueError, KeyError, OSError) as error:
        text = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{weights.name} does not hold the weights of {application.architecture}: {text}",
            "Remove the file, then add the model again.",
        ) from error
    hints = Hints(application.value_range, application.channels, stated=True)
    return source_of(model, ModelFormat.KERAS_H5, hints)


def application_card(name: str, application: KerasApplication) -> ModelCard:
    """Return the card of a version of such a network, with ImageNet's classes."""
    measured = {
        "accuracy": application.accuracy,
        "measured_images": 50_000,
        "measured_on": "ImageNet's validation photos, as Keras states it",
    }
    return ModelCard(
        name=name,
        classes=(),
        other_names={
            each.name: list(each.other_names) for each in imagenet_classes() if each.other_names
        },
        description=application.description,
        licence=application.licence,
        attribution=application.attribution,
        backbone=name,
        metrics=measured if application.accuracy is not None else {},
    )
