"""In which order labels teach most.

Photos that stand for many others come first; as soon as two classes have labels, others count
the more the less clear their class is, and the fewer labels it has. So the order goes over from
typical photos to uncertain and different ones by itself. docs/decisions/labelling-queue.md
has the measurements.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np

from backend.contract import QueueReason
from backend.labelling.coverage import (
    FAR,
    LOOKS_ALIKE,
    SHARPNESS,
    affinity,
    centred,
    choose,
    nearest_cosine,
    target_rows,
)
from backend.training.features import Integers
from backend.training.head import Floats
from serving.near_duplicate import NEAR_DUPLICATE

FAVOUR = 0.5
"""Photos of a class with a quarter of the labels of the others count twice as much."""
_FEW = 0.5
"""A class that has fewer labels than this share of the mean is short of labels."""
_SEVERAL = 3
"""A photo that so many others look like is typical of something."""


@dataclass(frozen=True)
class Known:
    """What is known of N photos without a label."""

    probabilities: Floats
    """[N, C]; without columns while fewer than two classes have labels."""
    labels: Integers
    """[C]: labels of each class; 0 for classes that a network brought along."""


@dataclass(frozen=True)
class Pick:
    """A photo of the queue."""

    index: int
    reason: QueueReason
    alike: int
    """Other photos without a label that look like it."""
    near_duplicates: tuple[int, ...]
    """Other photos without a label that are nearly the same."""


def queue_order(unlabelled: Floats, labelled: Floats, known: Known, count: int) -> list[Pick]:
    """Return at most `count` of N photos, the one whose label teaches most first.

    `unlabelled` [N, D] and `labelled` [L, D] are of length 1. Of near-duplicates one is in the
    order, and none that is a near-duplicate of a labelled photo; those follow after all others.
    """
    if not len(unlabelled):
        return []
    photos, taught = centred(unlabelled, labelled)
    targets = target_rows(len(photos))
    nearest = nearest_cosine(photos, taught)
    covered = np.maximum(nearest[targets], 0) ** SHARPNESS
    is_open = nearest_cosine(unlabelled, labelled) < NEAR_DUPLICATE
    repeated = ~is_open
    near: dict[int, tuple[int, ...]] = {}

    def close_near_duplicates(index: int) -> None:
        same = np.flatnonzero(unlabelled @ unlabelled[index] >= NEAR_DUPLICATE)
        near[index] = tuple(int(other) for other in same if other != index and is_open[other])
        repeated[list(near[index])] = True
        is_open[same] = False

    weights = _weights(known, len(photos))[targets]
    chosen = list(
        islice(
            choose(
                affinity(photos, photos[targets]), weights, covered, is_open, close_near_duplicates
            ),
            count,
        )
    )
    picks = []
    for index in chosen:
        looks_alike = photos @ photos[index] >= LOOKS_ALIKE
        looks_alike[index] = False
        alike = int(np.count_nonzero(looks_alike))
        is_typical = bool(nearest[index] < FAR and alike >= _SEVERAL)
        picks.append(Pick(index, _reason(index, known, is_typical), alike, near[index]))
    # The least alike first.
    rest = np.flatnonzero(repeated)
    rest = rest[np.argsort(nearest[rest], kind="stable")][: count - len(picks)]
    return picks + [Pick(int(index), QueueReason.REPEATED, 0, ()) for index in rest]


def margins(probabilities: Floats) -> Floats:
    """Return how much more probable the best class is than the second [N]; 0 to 1."""
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities), np.float32)
    best = np.partition(probabilities, -2, axis=1)[:, -2:]
    margin: Floats = best[:, 1] - best[:, 0]
    return margin


def _weights(known: Known, count: int) -> Floats:
    """Return how much it counts [N] that each photo is covered."""
    if known.probabilities.shape[1] < 2:
        return np.ones(count, np.float32)
    has = known.labels > 0
    mean = known.labels[has].mean()
    favour = np.where(has, (mean / np.maximum(known.labels, 1)) ** FAVOUR, 1)
    weights: Floats = (1 - margins(known.probabilities)) * (known.probabilities @ favour)
    return weights.astype(np.float32)


def _reason(index: int, known: Known, is_typical: bool) -> QueueReason:
    if known.probabilities.shape[1] < 2 or is_typical:
        return QueueReason.TYPICAL
    labels = int(known.labels[known.probabilities[index].argmax()])
    if 0 < labels < _FEW * known.labels[known.labels > 0].mean():
        return QueueReason.RARE
    return QueueReason.UNCERTAIN
