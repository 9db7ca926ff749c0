"""A network that sees no colors, and photos that differ in nothing else: it has to learn them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from backend.store.images import ImageFolder
from backend.training.worker_protocol import LabeledImage
from serving.models.card import CARD_PATH, ModelCard
from serving.models.graph_template import float_tensor, with_constants
from serving.models.new_model import create_from_backbone
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.tf.names import SAVED_MODEL_FILE
from tests.support.sample_images import encode
from tests.support.tiny_model import write_tiny
from tests.support.tiny_network import KERNEL, SIDE

COLORBLIND = "colorblind"
KERNEL_NODE = "Conv2D/filter"
KINDS = {"reddish": 1, "greenish": -1}


def tinted(kind: str, seed: int) -> bytes:
    """Return a JPEG of random greys with a tint, another one for each seed."""
    generator = np.random.default_rng((seed, len(kind)))
    grey = np.repeat(generator.uniform(80, 170, (SIDE // 4, SIDE // 4)), 4, 0).repeat(4, 1)
    tint = KINDS[kind] * generator.uniform(40, 80)
    # Red, green and blue together are as bright as without it.
    pixels = np.stack([grey + tint, grey - tint, grey], axis=-1)
    return encode(Image.fromarray(pixels.astype(np.uint8)))


def create_colorblind(repository: ModelRepository, model: str) -> Version:
    """Add a model without classes whose network weighs red, green and blue the same."""
    with staged_version(repository, COLORBLIND) as staged:
        write_tiny(staged, COLORBLIND)
        kernel = np.repeat(KERNEL.mean(axis=2, keepdims=True), 3, axis=2)
        graph = staged / SAVED_MODEL_FILE
        graph.write_bytes(with_constants(graph.read_bytes(), {KERNEL_NODE: float_tensor(kernel)}))
        card = ModelCard.read(staged)
        (staged / CARD_PATH).write_text(replace(card, backbone=COLORBLIND).to_json())
        version = commit_version(repository, COLORBLIND, staged)
    repository.promote(COLORBLIND, version.number)
    return create_from_backbone(repository, model, COLORBLIND, keeps_classes=False)


def stored_photos(images: ImageFolder, count: int, first: int = 0) -> list[LabeledImage]:
    """Store so many photos of each kind; returns them with their classes."""
    found = []
    for seed in range(first, first + count):
        for kind in KINDS:
            image = images.put(tinted(kind, seed))
            found.append(LabeledImage(image, str(images.path(image)), kind))
    return found
