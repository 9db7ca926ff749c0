"""Which labels hurt: those that all others contradict.

Two witnesses are asked about each photo: heads that did not learn from it, and the photos that
are most like it. Neither alone finds as many wrong labels: docs/decisions/labelling-queue.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backend.labelling.coverage import SHARPNESS, centred
from backend.training.features import Integers
from backend.training.head import Floats
from serving.near_duplicate import NEAR_DUPLICATE

NEIGHBOURS = 15
"""The most similar photos whose labels are compared with that of a photo."""
_MIN_PROBABILITY, _MIN_SHARE = 0.001, 0.05
"""Added, so that one witness alone cannot decide everything."""
_BLOCK = 1_024


@dataclass(frozen=True)
class Doubts:
    """About the labels of N photos."""

    doubt: Floats
    """[N], 0 to 1: how far both witnesses contradict the label."""
    suggested: Integers
    """[N]: the class that the witnesses prefer; the label itself if they confirm it."""


def doubts(points: Floats, truth: Integers, probabilities: Floats) -> Doubts:
    """Return how doubtful the labels of N photos are.

    `points` [N, D] are of length 1, `truth` [N] are labels as indices of the C classes, and
    `probabilities` [N, C] come from heads that did not learn from the photo.
    """
    count, classes = probabilities.shape
    if count < 2 or classes < 2:
        return Doubts(np.zeros(count, np.float32), truth)
    shares = _neighbour_shares(points, truth, classes)
    trust = (probabilities.astype(np.float32) + _MIN_PROBABILITY) * np.sqrt(shares + _MIN_SHARE)
    trust /= (1 + _MIN_PROBABILITY) * np.sqrt(1 + _MIN_SHARE)
    doubt = (1 - trust[np.arange(count), truth]).astype(np.float32)
    return Doubts(doubt, trust.argmax(axis=1))


def near_duplicates_apart(points: Floats, truth: Integers) -> Iterator[tuple[int, int, float]]:
    """Yield pairs of near-duplicates with different labels, and their cosine.

    Each photo is in at most one pair, that with its nearest one.
    """
    paired: set[int] = set()
    found: list[tuple[float, int, int]] = []
    for start in range(0, len(points), _BLOCK):
        cosine = points[start : start + _BLOCK] @ points.T
        rows, others = np.nonzero(cosine >= NEAR_DUPLICATE)
        for row, other in zip((rows + start).tolist(), others.tolist(), strict=True):
            if row < other and truth[row] != truth[other]:
                found.append((float(cosine[row - start, other]), row, other))
    for similarity, row, other in sorted(found, key=lambda each: (-each[0], each[1:])):
        if not paired & {row, other}:
            paired |= {row, other}
            yield row, other, min(similarity, 1.0)


def _neighbour_shares(points: Floats, truth: Integers, classes: int) -> Floats:
    """Return the share [N, C] of each class among the labels of each photo's neighbours.

    The nearer a neighbour, the more it counts.
    """
    (photos,) = centred(points)
    count = len(photos)
    neighbours = min(NEIGHBOURS, count - 1)
    shares = np.zeros((count, classes), np.float32)
    for start in range(0, count, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, count))
        cosine = np.maximum(photos[rows] @ photos.T, 0)
        cosine[rows - start, rows] = -1
        nearest = np.argpartition(-cosine, neighbours - 1, axis=1)[:, :neighbours]
        weight = np.take_along_axis(cosine, nearest, axis=1) ** SHARPNESS
        np.add.at(shares, (rows[:, None], truth[nearest]), weight)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), np.float32(1e-9))
    return shares
