"""How familiar a photo looks: whether it shows a class that a version was taught.

A score says which class is the most probable of those that there are; a photo of something
else gets one too. Familiarity is learned from photos (`backend/training/familiarity.py`) and
computed in the graph from the embedding and the scores, by a few products and sums that any
server of TensorFlow models has. docs/decisions/unsure.md has the measurements.

The constants here and `familiarity_graph.py`, which writes them into a graph, belong together:
`Familiarity.of` computes what the graph answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

MIN_SCORE = 1e-6
"""Best scores are kept so far away from 0 and 1, which have no log-odds."""
MIN_LENGTH = 1e-12
"""Least squared length that a vector is divided by to get one of unit length."""


@dataclass(frozen=True)
class OldClasses:
    """The classes of a network that learned them from photos which nobody has here.

    The largest of their logits, divided by the distance of the embedding from the mean of all
    embeddings, is near the cosine of the angle to the class's weights.
    """

    count: int
    """They are the first classes of the head."""
    mean: Floats
    """[D]: the mean embedding of photos of all kinds."""
    threshold: float
    slope: float
    """Familiarity is sigmoid(slope * (that quotient - threshold))."""


@dataclass(frozen=True)
class TaughtClasses:
    """The classes that labelled photos taught, as far as unit embeddings [N, D] show them.

    Their products with `matrix` [D, R + C + 1] are R coordinates in which photos of one class
    differ, one number for each of C classes, and one for what shows none of them. With the
    squared distance to the nearest class mean, measured in units of how photos of one class
    differ,

        distance = min(offsets - C numbers) - sum(squared R coordinates)

    familiarity is sigmoid(constant - distance + score_weight * log-odds of the best score
    + the last number).
    """

    matrix: Floats
    offsets: Floats
    """[C]"""
    constant: float
    score_weight: float


@dataclass(frozen=True)
class Familiarity:
    """The parts of a version's familiarity; a photo is as familiar as it is to the nearer one."""

    old: OldClasses | None = None
    taught: TaughtClasses | None = None

    def of(self, embeddings: Floats, logits: Floats) -> Floats:
        """Return the familiarity [N] for embeddings [N, D] and the head's logits [N, C]."""
        parts = []
        if self.old is not None:
            away = embeddings - self.old.mean
            lengths = np.sqrt(np.maximum(np.square(away).sum(axis=1), MIN_LENGTH))
            quotients = logits[:, : self.old.count].max(axis=1) / lengths
            parts.append(self.old.slope * (quotients - self.old.threshold))
        if self.taught is not None:
            parts.append(_of_taught(self.taught, embeddings, logits))
        # Beyond these a float32 is 0 or 1 anyway, and further on its exponential overflows.
        nearest = np.clip(np.max(parts, axis=0), -80, 80)
        familiarity: Floats = 1 / (1 + np.exp(-nearest))
        return familiarity.astype(np.float32)

    @property
    def rounding(self) -> float:
        """By how much two programs may differ in it, since single precision is rounded.

        If the photos of a class are nearly the same, their distances are measured in tiny
        differences: terms in the hundred thousands cancel out.
        """
        if self.taught is None:
            return 0.0
        largest = np.abs(self.taught.offsets).max(initial=0) + abs(self.taught.constant)
        return float(np.finfo(np.float32).eps * largest)


def log_odds(scores: Any) -> Any:
    """Return log(p / (1 - p)) of best scores, kept away from 0 and 1."""
    kept = np.clip(scores, MIN_SCORE, 1 - MIN_SCORE)
    return np.log(kept / (1 - kept))


def unit(embeddings: Floats) -> Floats:
    """Return embeddings [N, D] scaled to length 1; zeros stay zeros."""
    squares = np.square(embeddings).sum(axis=1, keepdims=True)
    scaled: Floats = embeddings / np.sqrt(np.maximum(squares, np.float32(MIN_LENGTH)))
    return scaled


def _of_taught(taught: TaughtClasses, embeddings: Floats, logits: Floats) -> Any:
    products = unit(embeddings) @ taught.matrix
    spread = taught.matrix.shape[1] - len(taught.offsets) - 1
    distances = (taught.offsets - products[:, spread:-1]).min(axis=1)
    distances -= np.square(products[:, :spread]).sum(axis=1)
    best = 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)
    return taught.constant - distances + taught.score_weight * log_odds(best) + products[:, -1]
