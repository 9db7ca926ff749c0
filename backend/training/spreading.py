"""Spreads labels to photos that nobody labelled, along chains of photos that look alike.

Zhou, Bousquet, Lal, Weston and Schölkopf, "Learning with local and global consistency"
(2003), on a graph of nearest neighbours. What arrives at a photo is multiplied by the
probabilities of a regression on the labels alone; then edges between photos that seem to
be of different classes are weakened, and it is done once more. docs/decisions/learning.md
has the measurements that decided on the constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.training.features import Integers
from backend.training.head import Floats, unit

NEIGHBOURS = 10
_POWER = 3
"""The cosine of two photos to this power is the weight of the edge between them."""
_ALPHA = np.float32(0.9)
"""How much of a photo's label comes from its neighbours in each step."""
_STEPS = 20
_AGREEMENT = 4
"""The power of the overlap of two photos' probabilities, by which their edge is weakened."""
_BALANCE = 0.5
"""How far classes are drawn to the shares that they have among the labels: 1 is all the way."""
_BLOCK = 1024
"""Photos whose cosines to all others are in memory at once."""
_TINY = np.float32(1e-12)


@dataclass(frozen=True)
class Neighbours:
    """For each of N photos the nearest others, K or fewer, by the cosine of coordinates."""

    indices: Integers
    """[N, K]"""
    weights: Floats
    """[N, K], 0 to 1."""

    @classmethod
    def of(cls, coordinates: Floats) -> Neighbours:
        """Find them for coordinates [N, P] of which the mean was subtracted; N > 1."""
        points = unit(coordinates)
        count = min(NEIGHBOURS, len(points) - 1)
        indices = np.zeros((len(points), count), np.int64)
        weights = np.zeros((len(points), count), np.float32)
        for start in range(0, len(points), _BLOCK):
            cosines = points[start : start + _BLOCK] @ points.T
            rows = np.arange(len(cosines))
            cosines[rows, start + rows] = -2
            nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
            indices[start : start + _BLOCK] = nearest
            found = np.take_along_axis(cosines, nearest, axis=1)
            weights[start : start + _BLOCK] = np.maximum(found, 0) ** _POWER
        return cls(indices, weights)


def spread_labels(
    neighbours: Neighbours,
    labels: Floats,
    probabilities: Floats,
    used: npt.NDArray[np.bool_],
) -> Floats:
    """Return the probability [N, L] of each class for each photo.

    `labels` [N, L] are 1 at the classes of labelled photos, whose rows come back unchanged;
    `probabilities` [N, L] are a regression's. No label passes through photos that are not
    `used`.
    """
    labelled = labels.any(axis=1)
    shares = labels.sum(axis=0) / labels.sum()
    weights = neighbours.weights * used[:, None] * used[neighbours.indices]
    found = probabilities
    for edges in (weights, None):
        if edges is None:
            roots = np.sqrt(found)
            overlap = np.einsum("nl,nkl->nk", roots, roots[neighbours.indices])
            edges = weights * overlap**_AGREEMENT
        arrived = _normalized(_arriving(neighbours.indices, edges, labels))
        found = _balanced(_normalized(arrived * probabilities), shares, used)
        found[labelled] = labels[labelled]
    return found


def _arriving(indices: Integers, edges: Floats, labels: Floats) -> Floats:
    """Return what of `labels` [N, L] arrives at each photo over edges [N, K]."""
    # Imported here: only a worker needs it, and most of its runs have no unlabelled photos.
    from scipy import sparse

    count, each = indices.shape
    rows = np.repeat(np.arange(count), each)
    graph: Any = sparse.csr_matrix((edges.ravel(), (rows, indices.ravel())), (count, count))
    graph = graph + graph.T
    root = 1 / np.sqrt(np.asarray(graph.sum(axis=1), np.float32).ravel() + _TINY)
    graph = (graph.multiply(root[:, None]).multiply(root[None])).tocsr()
    arrived = labels
    for _ in range(_STEPS):
        arrived = _ALPHA * (graph @ arrived) + labels
    return np.asarray(arrived, np.float32)


def _balanced(found: Floats, shares: Floats, used: npt.NDArray[np.bool_]) -> Floats:
    """Draw the share of each class among the photos to `shares` [L]."""
    mass = np.maximum(found[used].mean(axis=0), _TINY)
    return _normalized(found * (shares / mass) ** _BALANCE)


def _normalized(found: Floats) -> Floats:
    """Return rows that sum to 1; where nothing arrived, every class is equally probable."""
    found = found + _TINY
    normalized: Floats = found / found.sum(axis=1, keepdims=True)
    return normalized
