"""A model for tests that loads at once: a real servable version that tells colors apart.

Photos as `sample_images.painting` makes them are answered with their color; drawings of
`sample_images.drawing` are of classes that it does not know and can be taught.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import ImageColor

from backend.training.head import Head, ServableGraph
from serving.models.card import CARD_PATH, ModelCard
from serving.models.repository import ModelRepository, Version
from serving.tf.names import SAVED_MODEL_FILE
from tests.support.tiny_network import CHANNELS, COLOR_CHANNELS, EMBEDDING_SIZE, GRID, SIDE

TEMPLATE = Path(__file__).parent / "tiny_model"
"""What `make_tiny_model.py` wrote: a version without a card, whose head knows nothing."""
TINY_MODEL = "starter"
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
    with repository.staged(name) as staged:
        write_tiny(staged, name, classes)
        version = repository.adopt(name, staged)
    repository.promote(name, version.number)
    repository.change_served(lambda served: replace(served, current=name))
    return version


def write_tiny(folder: Path, name: str = TINY_MODEL, classes: Mapping[str, str] = COLORS) -> None:
    """Write a version of the model `name` into `folder`, which may exist."""
    shutil.copytree(TEMPLATE, folder, dirs_exist_ok=True)
    (folder / SAVED_MODEL_FILE).write_bytes(ServableGraph(folder).with_head(head_for(classes)))
    card = ModelCard(
        name=name,
        classes=tuple(classes),
        description="Tells plain colors apart.",
        created="2026-01-01T00:00:00+00:00",
        input_side=SIDE,
        embedding_size=EMBEDDING_SIZE,
        preprocessing=f"middle square, antialiased to {SIDE}x{SIDE}",
        licence="Apache-2.0",
        metrics={
            "accuracy": 1.0,
            "measured_images": len(classes),
            "measured_on": "an image of each color",
        },
    )
    (folder / CARD_PATH).write_text(card.to_json())


def head_for(classes: Mapping[str, str]) -> Head:
    """Return the head that answers with the class whose color is nearest to a photo's mean."""
    colors = np.array([ImageColor.getrgb(color)[:3] for color in classes.values()]).reshape(-1, 3)
    colors = colors / 255
    # -|mean - color|^2, less what is the same for every class.
    kernel = np.zeros((GRID * GRID, CHANNELS, len(classes)), np.float32)
    kernel[:, :COLOR_CHANNELS] = 2 * _SHARPNESS * colors.T / GRID**2
    bias = -_SHARPNESS * (colors**2).sum(axis=1)
    of_embedding = kernel.reshape(EMBEDDING_SIZE, len(classes))
    return Head(
        np.concatenate([of_embedding, np.zeros_like(of_embedding)]),
        bias.astype(np.float32),
        tuple(classes),
    )
