"""Fits the part of a head that reads unit embeddings: multinomial logistic regression.

The foundation, which is the head before anyone taught it, keeps its part on the
embedding itself. Labels only add to it: each class that is labelled gets weights on
the unit embedding. Where the foundation has classes, prototypes of them are learned
beside the labelled photos, so that new classes learn what they are not.

Everything is computed in an order that the images decide, so that the order of the
labels changes no score. docs/decisions/learning.md has the measurements.
"""

from __future__ import annotations

import numpy as np

from backend.training.features import Integers, Rows
from backend.training.head import Floats, Head, unit
from backend.training.prototypes import prototypes
from backend.training.softmax_regression import Axes, Samples, fit_softmax

INVERSE_PENALTY = 10.0
"""How much the labels weigh beside the squared weights: C of scikit-learn, where the loss is
C times the sum of the rows' losses plus half the squared weights."""
FEW_LABELS = 10.0
"""With so many labels a class, new classes are raised half as far as with none."""
LEFT_ALONE = 98.0
"""Percentage of the foundation's prototypes that raised classes must leave to it."""
_MANY = 500_000
"""Points times classes with labels from which fewer axes are fitted along, to take a second."""
_AXES_OF_MANY = 512
_NEVER = -1e4
"""The bias of a class that no chosen row shows: its score is 0."""
_OTHER = -1
"""The truth of a row of a class that gets no weights."""


class Problem:
    """Labelled rows, prepared so that heads can be fitted to any part of them.

    `classes` are those of each head: the foundation's, then the new ones by name.
    """

    def __init__(
        self,
        foundation: Head,
        rows: Rows,
        mean: Floats,
        inverse_penalty: float = INVERSE_PENALTY,
    ) -> None:
        """Prepare `rows`, which come from `sorted_rows`.

        `foundation` has a kernel [2D, C]; `mean` is the mean embedding [D] of all photos.
        """
        self.foundation = foundation
        known = {name: index for index, name in enumerate(foundation.classes)}
        names = sorted(set(rows.classes))
        new = [name for name in names if name not in known]
        self.classes = (*foundation.classes, *new)
        index_of = {name: index for index, name in enumerate(self.classes)}
        self._labelled = np.array([index_of[name] for name in names], np.int64)
        """Indices in `classes` of those that get weights."""
        self._is_old = self._labelled < len(known)
        self._size = rows.embeddings.shape[1]
        truth = rows.indices(self.classes).astype(np.int64)
        points, logits = unit(rows.embeddings), foundation.logits(rows.embeddings)
        self._inverse_penalty = inverse_penalty
        self._replayed = np.zeros((0, self._size), np.float32)
        """Unit embeddings of all prototypes."""
        self._replayed_best = np.zeros(0, np.float32)
        """[.]: the largest logit that the foundation gives each."""
        if known:
            made = prototypes(foundation, mean)
            self._replayed, self._replayed_best = unit(made.embeddings), made.logits.max(axis=1)
            # New logits must come up to the foundation's, which may be ten times as large as
            # those of a regression that starts from nothing; the penalty is on their squares.
            spread = made.logits.max(axis=1) - made.logits.mean(axis=1)
            self._inverse_penalty *= max(1.0, float(np.median(spread)) ** 2)
            truth = np.concatenate([truth, np.arange(len(known))])
            points = np.concatenate([points, self._replayed[: len(known)]])
            logits = np.concatenate([logits, made.logits[: len(known)]])
        # Between classes of one's own a bias is harmless; beside others it would be learned
        # from nothing but photos that show the new ones.
        most = _AXES_OF_MANY if len(points) * len(names) > _MANY else None
        self._axes = Axes.of(points, centred=not known, most=most)
        self._coordinates = self._axes.coordinates(points)
        place_of = np.full(len(self.classes), _OTHER)
        place_of[self._labelled] = np.arange(len(names))
        self._truth = place_of[truth]
        self._own = np.zeros(len(truth), np.float32)
        old_rows = truth < len(known)
        self._own[old_rows] = logits[old_rows, truth[old_rows]]
        self._offsets = np.zeros((len(truth), len(names)), np.float32)
        old = self._labelled[self._is_old]
        self._offsets[:, self._is_old] = logits[:, old]
        self._rest = _log_sum(np.delete(logits, old, axis=1))
        self._count = len(rows)

    def fit(self, chosen: Integers) -> Head:
        """Return the head that fits the rows of these indices, which are at least one."""
        present = np.unique(self._truth[chosen])
        samples = self._samples(np.asarray(chosen), present)
        is_old = self._is_old[present]
        known = len(self.foundation.classes)
        weights, bias = fit_softmax(samples, self._axes, self._inverse_penalty, with_bias=not known)
        if known and not is_old.all():
            labels = np.isin(self._truth[chosen], present[~is_old]).sum() / np.sum(~is_old)
            bias[~is_old] = self._raised(weights[:, ~is_old], float(labels))
        columns = self._labelled[present]
        kernel = np.zeros((2 * self._size, len(self.classes)), np.float32)
        kernel[:, :known] = self.foundation.kernel
        kernel[self._size :, columns] += weights
        biases = np.full(len(self.classes), _NEVER, np.float32)
        biases[:known] = self.foundation.bias
        biases[columns[~is_old]] = 0
        biases[columns] += bias
        return Head(kernel, biases, self.classes)

    def _samples(self, chosen: Integers, present: Integers) -> Samples:
        """Return the chosen rows and one prototype of each class of the foundation.

        Only the labelled classes `present` get weights. The prototypes together weigh as
        much as the rows.
        """
        known = len(self.foundation.classes)
        replayed = np.arange(self._count, len(self._truth))
        every = np.concatenate([chosen, replayed])
        place_of = np.full(len(self._labelled) + 1, _OTHER)  # the last one is that of _OTHER
        place_of[present] = np.arange(len(present))
        absent = np.setdiff1d(np.flatnonzero(self._is_old), present)
        weight = np.ones(len(every), np.float32)
        weight[len(chosen) :] = len(chosen) / max(known, 1)
        offsets = self._offsets[every]
        targets = np.zeros((len(every), len(present)), np.float32)
        truth = place_of[self._truth[every]]
        learned = np.flatnonzero(truth != _OTHER)
        targets[learned, truth[learned]] = 1
        return Samples(
            coordinates=self._coordinates[every],
            targets=targets,
            weight=weight,
            offsets=offsets[:, present],
            # Labelled old classes that no chosen row shows get no weights, but compete.
            rest=np.logaddexp(self._rest[every], _log_sum(offsets[:, absent])),
            own=self._own[every],
        )

    def _raised(self, weights: Floats, labels: float) -> float:
        """Return the bias of new classes that have these weights and so many labels each.

        With few labels their logits fall too fast away from the photos that were learned
        from. They are raised, the more the fewer labels there are, at most until they
        cross the foundation's answer for the prototypes that need not be left alone.
        """
        gaps = (self._replayed @ weights).max(axis=1) - self._replayed_best
        most = max(0.0, -float(np.percentile(gaps, LEFT_ALONE)))
        return FEW_LABELS / (FEW_LABELS + labels) * most


def head_of_own(weights: Floats, bias: Floats, columns: Integers, classes: tuple[str, ...]) -> Head:
    """Return a head of classes of one's own from weights [D, L] and biases [L] for some of them.

    `columns` [L] are their indices in `classes`. The others are never the answer.
    """
    size = len(weights)
    kernel = np.zeros((2 * size, len(classes)), np.float32)
    kernel[size:, columns] = weights
    biases = np.full(len(classes), _NEVER, np.float32)
    biases[columns] = bias
    return Head(kernel, biases, classes)


def sorted_rows(rows: Rows) -> Rows:
    """Return the rows in the order of their images."""
    order = sorted(range(len(rows)), key=rows.images.__getitem__)
    return Rows(
        rows.embeddings[order],
        tuple(rows.classes[index] for index in order),
        tuple(rows.images[index] for index in order),
    )


def _log_sum(logits: Floats) -> Floats:
    """Return log(sum(exp(logits))) of each row; minus infinity without columns."""
    if logits.shape[1] == 0:
        return np.full(len(logits), -np.inf, np.float32)
    largest = logits.max(axis=1)
    total: Floats = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    return total
