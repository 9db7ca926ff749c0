"""What a head thinks photos of its classes look like, from its own weights.

Somebody who teaches new classes has photos of those and of none of the thousand that the
model knows already. Without any, the new classes would learn to answer everything. A
prototype stands in for them: the mean embedding of all photos, moved in the direction of
a class until the head answers that class with a given confidence.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.training.head import Floats, Head, softmax, unit

_MIN_RECTIFIED = -0.3
"""The least value of swish, a soft rectifier, is -0.28."""
EMBEDDING_MEAN_PATH = Path("assets.extra") / "embedding_mean.npy"
"""In a version folder: the mean embedding [D] of photos of all kinds, float32."""

CONFIDENCES = (0.9, 0.6, 0.3)
"""A typical photo of a class comes first; the others are less clear ones."""
_DISTANCES = (0.0, *(0.2 * 1.7**step for step in range(9)))
"""From the mean embedding, in lengths of it: at these the confidence is computed, and between
them it is interpolated. Prototypes of EfficientNet-Lite are about one length away."""


@dataclass(frozen=True)
class Prototypes:
    """For each of C classes of a head one embedding a confidence."""

    embeddings: Floats
    """[C * len(CONFIDENCES), D], all of the first confidence first."""
    logits: Floats
    """[C * len(CONFIDENCES), C]: the head's, for these embeddings."""


def prototypes(head: Head, mean: Floats) -> Prototypes:
    """Return prototypes of the classes of `head`; `mean` [D] is the mean of all embeddings."""
    size = len(mean)
    length = max(float(np.linalg.norm(mean)), 1e-6)
    # A weight on the unit embedding counts as much as one on the embedding, over its length.
    kernel = head.kernel[:size] + head.kernel[size:] / length
    directions = unit((kernel - kernel.mean(axis=1, keepdims=True)).T)
    classes = np.arange(len(directions))
    distances = np.array(_DISTANCES, np.float32) * np.float32(length)
    margins = np.stack(
        [
            _margins(head.logits(_moved(mean, directions, distance)))[classes, classes]
            for distance in distances
        ]
    )
    points = [
        _moved(mean, directions, _crossings(distances, margins, confidence)[:, None])
        for confidence in CONFIDENCES
    ]
    embeddings = np.concatenate(points)
    return Prototypes(embeddings, head.logits(embeddings))


def read_embedding_mean(version_folder: Path, embeddings: Floats) -> Floats:
    """Return the mean embedding [D] that a version stores, or that of `embeddings` [N, D]."""
    try:
        mean = np.load(version_folder / EMBEDDING_MEAN_PATH, allow_pickle=False)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        mean = None
    if mean is None or mean.shape != embeddings.shape[1:]:
        mean = embeddings.mean(axis=0)
    return np.asarray(mean, np.float32)


def _moved(mean: Floats, directions: Floats, distances: Any) -> Floats:
    """Return [C, D]: most embeddings are means of what a rectifier let through.

    Then none is below 0, or hardly; after a layer that normalizes, there is no such bound.
    """
    least = min(float(mean.min()), 0.0)
    floor = least if least > _MIN_RECTIFIED else -np.inf
    moved: Floats = np.maximum(mean + distances * directions, floor).astype(np.float32)
    return moved


def _crossings(distances: Floats, margins: Floats, confidence: float) -> Floats:
    """Return for each class the least distance [C] at which it reaches the confidence.

    `margins` is [distances, C]. A class that never reaches it is taken where it is most
    confident.
    """
    target = np.log(confidence / (1 - confidence))
    reached = margins >= target
    after = np.where(reached.any(axis=0), reached.argmax(axis=0), margins.argmax(axis=0))
    before = np.maximum(after - 1, 0)
    classes = np.arange(margins.shape[1])
    low, high = margins[before, classes], margins[after, classes]
    share = np.where(high > low, (target - low) / np.maximum(high - low, 1e-6), 1.0)
    share = np.clip(share, 0, 1)
    crossings: Floats = distances[before] + share * (distances[after] - distances[before])
    return crossings


def _margins(logits: Floats) -> Floats:
    """Return log(p / (1 - p)) for the probability p of each class."""
    scores = np.clip(softmax(logits), 1e-12, 1 - 1e-6)
    margins: Floats = np.log(scores / (1 - scores))
    return margins
