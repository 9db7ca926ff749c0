"""Regression of classes of one's own that learns from photos without labels, too.

A regression on the labels alone says what each photo of the pool may show; the labels are
spread to them over a graph of photos that look alike; and a second regression is fitted to
the labels and, with less weight, to what was spread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from backend.training.features import Integers, Rows
from backend.training.head import Floats, Head, softmax, unit
from backend.training.regression import INVERSE_PENALTY, head_of_own
from backend.training.softmax_regression import Axes, fit_softmax, plain_samples
from backend.training.spreading import Neighbours, spread_labels

MAX_LABELS_A_CLASS = 50
"""With more, photos without labels teach nothing that the labels do not."""
_WEIGHT = 0.3
"""Of a photo without a label; a labelled one weighs 1."""
_AXES = 384
"""Of principal axes: further ones change no accuracy, and each costs time."""


class PoolProblem:
    """Labelled rows and photos without labels, prepared so that heads can be fitted.

    As `Problem`, for a foundation without classes.
    """

    def __init__(
        self,
        foundation: Head,
        rows: Rows,
        pool: Floats,
        inverse_penalty: float = INVERSE_PENALTY,
    ) -> None:
        """Prepare `rows`, which come from `sorted_rows`, and the embeddings [M, D] of a pool."""
        self.foundation = foundation
        self.classes = tuple(sorted(set(rows.classes)))
        self._inverse_penalty = inverse_penalty
        self._embeddings = rows.embeddings
        self._truth = rows.indices(self.classes)
        self._points = unit(np.concatenate([rows.embeddings, pool]))
        self._axes = Axes.of(self._points, centred=True, max_axes=_AXES)
        self._coordinates = self._axes.coordinates(self._points)
        self._neighbours = Neighbours.of(self._coordinates)

    def fit(self, chosen: Integers) -> Head:
        """Return the head that fits the rows of these indices, which are at least one.

        Nothing is learned from the other rows, not even as from photos without labels.
        """
        columns = np.unique(self._truth[chosen])
        count = len(self._truth)
        used = np.arange(len(self._coordinates)) >= count
        used[chosen] = True
        labels = np.zeros((len(used), len(columns)), np.float32)
        labels[chosen, np.searchsorted(columns, self._truth[chosen])] = 1
        weight = np.where(labels.any(axis=1), 1, _WEIGHT).astype(np.float32)
        weights, bias = self._fitted(labels, weight, np.isin(np.arange(len(used)), chosen))
        if len(columns) > 1:
            probabilities = softmax(self._points @ weights + bias)
            soft = spread_labels(self._neighbours, labels, probabilities, used)
            weights, bias = self._fitted(soft, weight, used)
        return head_of_own(weights, bias, columns, self.classes)

    def held_out_logits(self, parts: Sequence[Integers]) -> Iterator[Floats]:
        """Yield for each part the logits [part, C] of its rows, by the head that fits all others.

        C is 0 if there are no others.
        """
        for part in parts:
            others = np.setdiff1d(np.arange(len(self._truth)), part)
            head = self.fit(others) if len(others) else self.foundation
            yield head.logits(self._embeddings[part])

    def _fitted(
        self, targets: Floats, weight: Floats, used: npt.NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        samples = plain_samples(self._coordinates[used], targets[used], weight[used])
        return fit_softmax(samples, self._axes, self._inverse_penalty, with_bias=True)
