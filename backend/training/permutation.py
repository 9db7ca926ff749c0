"""Permutation tests: do photos of classes differ more than they would if labels were shuffled?

A photo is left out, and the others say by the mean embedding of each class how probable its
own class is. The mean of that over photos and classes is the recall here; it counts how sure
the right answers are, so that a few photos say more than by right or wrong alone. The same is
computed with the labels shuffled, which says what no knowledge at all would give. Exact at any
number of photos, since nothing is assumed but that shuffled labels are as good as any (Good,
Permutation, Parametric and Bootstrap Tests of Hypotheses, 2005, chapter 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backend.training.features import Rows
from backend.training.head import Floats, unit

SHUFFLES = 999
"""Shuffled labellings of a test, so that the smallest p-value is one in a thousand."""
MAX_PHOTOS = 480
"""More photos are sampled, as many of each class: the test takes half a second then."""
MAX_CLASSES = 32
"""Of more classes, those with the most photos are tested."""
_TEMPERATURE = 0.1
"""Of the softmax of similarities, in which the mean photo has similarity 1 with itself."""
_BATCH = 32
_EQUAL = 1e-7
"""Sums of the same numbers in another order differ by less."""

_Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelTest:
    """How well labels fit photos, beside what shuffled ones give."""

    photos: int
    recall: float
    """0 to 1: the mean probability of a photo's own class while it is left out."""
    shuffled: float
    """The mean of the same with shuffled labels."""
    p: float
    """How often shuffled labels are at least as good."""
    class_p: dict[str, float]
    """The same for the recall of each class alone."""


def permute_labels(rows: Rows) -> LabelTest:
    """Compare the recall of the classes of `rows`, at least two, with shuffled labels.

    `rows` are in an order that says nothing, such as that of their hashes.
    """
    chosen = _sample(rows.classes)
    names = sorted({rows.classes[index] for index in chosen})
    place = {name: number for number, name in enumerate(names)}
    labels = np.array([place[rows.classes[index]] for index in chosen], np.int64)
    similarity = _similarities(rows.embeddings[chosen])
    orders = _shuffles(len(chosen))
    recalls = np.concatenate(
        [
            _recalls(similarity, labels[orders[first : first + _BATCH]], len(names))
            for first in range(0, len(orders), _BATCH)
        ]
    )
    macro = recalls.mean(axis=1)
    return LabelTest(
        photos=len(chosen),
        recall=float(macro[0]),
        shuffled=float(macro[1:].mean()),
        p=_p(macro),
        class_p={name: _p(recalls[:, number]) for name, number in place.items()},
    )


def permute_members(embeddings: Floats, members: npt.NDArray[np.bool_]) -> float:
    """Return how often as many photos chosen at random are at least as alike as the members.

    `embeddings` is [N, D], `members` [N], with at least two members and one other.
    """
    inside, outside = np.flatnonzero(members), np.flatnonzero(~members)
    room = MAX_PHOTOS // 2
    chosen = np.sort(np.concatenate([inside[:room], outside[: MAX_PHOTOS - room]]))
    similarity = _similarities(embeddings[chosen])
    flags = members[chosen].astype(np.float32)[_shuffles(len(chosen))]
    alike = np.einsum("sn,sn->s", flags @ similarity, flags) - flags @ np.diag(similarity)
    return _p(alike)


def _sample(classes: tuple[str, ...]) -> _Indices:
    by_class: dict[str, list[int]] = {}
    for index, name in enumerate(classes):
        by_class.setdefault(name, []).append(index)
    kept = sorted(by_class.values(), key=len, reverse=True)[:MAX_CLASSES]
    max_of_class = MAX_PHOTOS // max(len(kept), 1)
    return np.array(sorted(index for indices in kept for index in indices[:max_of_class]), np.int64)


def _similarities(embeddings: Floats) -> Floats:
    """Return the products [N, N] of centred unit embeddings, 1 on the diagonal on average."""
    points = unit(embeddings)
    points = points - points.mean(axis=0)
    products: Floats = points @ points.T
    # All photos are the same one if there is nothing on the diagonal.
    return products / max(float(np.mean(np.diag(products))), 1e-9)


def _shuffles(count: int) -> _Indices:
    """Return [1 + SHUFFLES, count]: the order as it is, then shuffled ones; always the same."""
    generator = np.random.default_rng(count)
    orders = np.tile(np.arange(count), (1 + SHUFFLES, 1))
    orders[1:] = generator.permuted(orders[1:], axis=1)
    return orders


def _recalls(similarity: Floats, labels: _Indices, classes: int) -> Floats:
    """Return the recall [S, C] of each class for each of S labellings [S, N]."""
    count = len(similarity)
    shown = (labels.T[:, :, None] == np.arange(classes)).astype(np.float32)
    counts = np.bincount(labels[0], minlength=classes).astype(np.float32)
    # [N, S, C]: the similarity of each photo to the mean of each class. One product of two
    # matrices, since a stack of small ones takes twenty times as long.
    means = (similarity @ shown.reshape(count, -1)).reshape(shown.shape) / counts
    own, own_counts = labels.T[:, :, None], counts[labels.T]
    sums = np.take_along_axis(means, own, 2)[:, :, 0] * own_counts
    mean_of_others = (sums - np.diag(similarity)[:, None]) / np.maximum(own_counts - 1, 1)
    np.put_along_axis(means, own, mean_of_others[:, :, None], 2)
    means -= means.max(axis=2, keepdims=True)
    exponentials = np.exp(means / np.float32(_TEMPERATURE))
    probable = np.take_along_axis(exponentials, own, 2)[:, :, 0] / exponentials.sum(axis=2)
    recalls: Floats = (shown * probable[:, :, None]).sum(axis=0) / counts
    return recalls


def _p(values: Floats) -> float:
    """Return the share of values that are at least the first one, which counts itself."""
    return float(np.mean(values >= values[0] - _EQUAL))
