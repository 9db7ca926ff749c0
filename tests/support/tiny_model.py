"""A model for tests that loads at once: a real servable version that tells colors apart.

Photos as `sample_images.painting` makes them are answered with their color; drawings of
`sample_images.drawing` are of classes that it does not know and can be taught.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import ImageColor

from backend.training.head import Head
from serving.models.card import CARD_PATH, ModelCard
from serving.models.graph_template import float_tensor, with_constants
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.models.warm_up import write_warmup
from serving.tf.names import HEAD_BIAS, HEAD_CLASSES, HEAD_KERNEL, SAVED_MODEL_FILE
from serving.tf.tensors import string_tensor
from tests.support.tiny_network import CHANNELS, COLOR_CHANNELS, EMBEDDING_SIZE, GRID, SIDE

TEMPLATE = Path(__file__).with_suffix(".pb")
"""What `make_tiny_model.py` wrote: a graph whose head has no classes."""
TINY_MODEL = "pets"
COLORS = {
    "red": "red",
    "green": "lime",
    "blue": "blue",
    "yellow": "yellow",
    "white": "white",
    "black": "black",
}
"""The classes that the tiny model begins with, and the color of each, as Pillow names it."""
_SHARPNESS = 12.0
"""How fast a class's score falls with the distance between its color and a photo's."""


def install_tiny(
    repository: ModelRepository, name: str = TINY_MODEL, classes: Mapping[str, str] = COLORS
) -> Version:
    """Add a version that answers `classes`, given by their colors; make it live and current."""
    with staged_version(repository, name) as staged:
        write_tiny(staged, name, classes)
        version = commit_version(repository, name, staged)
    repository.promote(name, version.number)
    repository.change_served(lambda served: replace(served, current=name))
    return version


def write_tiny(folder: Path, name: str = TINY_MODEL, classes: Mapping[str, str] = COLORS) -> None:
    """Write a version of the model `name` into `folder`, which may exist."""
    head = head_for(classes)
    # The half of the head that multiplies embeddings of unit length has nothing to add.
    kernel = np.concatenate([head.kernel, np.zeros_like(head.kernel)])
    constants = {
        HEAD_KERNEL: float_tensor(kernel),
        HEAD_BIAS: float_tensor(head.bias),
        HEAD_CLASSES: string_tensor([name.encode() for name in classes]),
    }
    write_warmup(folder)
    (folder / SAVED_MODEL_FILE).write_bytes(with_constants(TEMPLATE.read_bytes(), constants))
    card = ModelCard(
        name=name,
        classes=tuple(classes),
        description="Tells plain colors apart.",
        created="2026-01-01T00:00:00+00:00",
        input_side=SIDE,
        embedding_size=EMBEDDING_SIZE,
        preprocessing=f"middle square, antialiased to {SIDE}x{SIDE}",
        licence="Apache-2.0",
        backbone=name,
        metrics={
            "accuracy": 1.0,
            "measured_images": len(classes),
            "measured_on": "an image of each color",
        },
    )
    (folder / CARD_PATH).write_text(card.to_json())


def head_for(classes: Mapping[str, str]) -> Head:
    """Return a head that answers with the class whose color is nearest to a photo's mean.

    Its kernel is [EMBEDDING_SIZE, classes], for the embedding alone.
    """
    colors = np.array([ImageColor.getrgb(color)[:3] for color in classes.values()]).reshape(-1, 3)
    colors = colors / 255
    # -|mean - color|^2, less what is the same for every class.
    kernel = np.zeros((GRID * GRID, CHANNELS, len(classes)), np.float32)
    kernel[:, :COLOR_CHANNELS] = 2 * _SHARPNESS * colors.T / GRID**2
    bias = -_SHARPNESS * (colors**2).sum(axis=1)
    return Head(
        kernel.reshape(EMBEDDING_SIZE, len(classes)), bias.astype(np.float32), tuple(classes)
    )
