"""Fits the part of a head that reads unit embeddings: multinomial logistic regression.

The foundation, which is the head before anyone taught it, keeps its part on the
embedding itself. Labels only add to it: each class that is labelled gets weights on
the unit embedding. Where the foundation has classes, prototypes of them are learned
beside the labelled photos, so that new classes learn what they are not.

Everything is computed in an order that the images decide, so that the order of the
labels changes no score. docs/decisions/learning.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from backend.training.features import Integers, Rows
from backend.training.head import Floats, Head, unit
from backend.training.replay import Replay, replay_of
from backend.training.softmax_regression import Axes, Samples, fit_softmax, fit_softmax_each

INVERSE_PENALTY = 10.0
"""How much the labels weigh beside the squared weights: C of scikit-learn, where the loss is
C times the sum of the rows' losses plus half the squared weights."""
FEW_LABELS = 10.0
"""With so many labels a class, new classes are raised half as far as with none."""
UNCHANGED_PERCENTILE = 98.0
"""Percentage of the foundation's prototypes that keep their answer when new classes are raised."""
_MANY = 500_000
"""Points times classes with labels from which fewer axes are fitted along, to take a second."""
_AXES_OF_MANY = 512
_AT_ONCE = 4_000_000
"""Points times classes times fits that are found together: they take 16 MB, a few times."""
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
        self._embeddings = rows.embeddings
        truth = rows.indices(self.classes).astype(np.int64)
        points, logits = unit(rows.embeddings), foundation.logits(rows.embeddings)
        self._points, self._logits = points, logits
        """[N, D] and [N, .]: of the labelled rows, and what the foundation says of them."""
        self._inverse_penalty = inverse_penalty
        self._replay: Replay | None = None
        if known:
            replay = self._replay = replay_of(foundation, mean)
            # New logits must come up to the foundation's, which may be ten times as large as
            # those of a regression that starts from nothing; the penalty is on their squares.
            self._inverse_penalty *= max(1.0, replay.spread**2)
            truth = np.concatenate([truth, np.arange(len(known))])
            logits = np.concatenate([logits, replay.logits])
        # Between classes of one's own a bias is harmless; beside others it would be learned
        # from nothing but photos that show the new ones.
        count = len(points) + len(known)
        if self._replay is None or count * len(names) > _MANY:
            if self._replay is not None:
                points = np.concatenate([points, self._replay.typical])
            max_axes = _AXES_OF_MANY if count * len(names) > _MANY else None
            self._axes = Axes.of(points, centred=not known, max_axes=max_axes)
            self._coordinates = self._axes.coordinates(points)
        else:
            self._axes, self._coordinates = self._replay.with_points(points)
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
        self._raise(bias, weights, chosen, present)
        columns = self._labelled[present]
        kernel = np.zeros((2 * self._size, len(self.classes)), np.float32)
        kernel[:, :known] = self.foundation.kernel
        kernel[self._size :, columns] += weights
        biases = np.full(len(self.classes), _NEVER, np.float32)
        biases[:known] = self.foundation.bias
        biases[columns[~is_old]] = 0
        biases[columns] += bias
        return Head(kernel, biases, self.classes)

    def held_out_logits(self, parts: Sequence[Integers]) -> Iterator[Floats]:
        """Yield for each part the logits [part, C] of its rows, by the head that fits all others.

        C is the number of the foundation's classes if there are no others.
        """
        every = np.arange(self._count)
        kept = [np.setdiff1d(every, part) for part in parts]
        # Where a class is left out as a whole, fewer get weights.
        whole = [len(np.unique(self._truth[chosen])) == len(self._labelled) for chosen in kept]
        together = [chosen for chosen, flag in zip(kept, whole, strict=True) if flag]
        fitted = self._fitted_together(together)
        for part, chosen, flag in zip(parts, kept, whole, strict=True):
            if flag:
                weights, bias = next(fitted)
                self._raise(bias, weights, chosen, np.arange(len(self._labelled)))
                logits = np.zeros((len(part), len(self.classes)), np.float32)
                logits[:, : self._logits.shape[1]] = self._logits[part]
                logits[:, self._labelled] += self._points[part] @ weights + bias
                yield logits
            else:
                head = self.fit(chosen) if len(chosen) else self.foundation
                yield head.logits(self._embeddings[part])

    def _fitted_together(self, chosen: Sequence[Integers]) -> Iterator[tuple[Floats, Floats]]:
        """Yield weights and biases of all labelled classes, which each of `chosen` shows."""
        every, classes = np.arange(self._count), np.arange(len(self._labelled))
        samples = self._samples(every, classes)
        at_once = max(1, _AT_ONCE // samples.targets.size)
        for first in range(0, len(chosen), at_once):
            group = chosen[first : first + at_once]
            row_weights = np.zeros((len(group), len(samples.targets)), np.float32)
            for weights, kept in zip(row_weights, group, strict=True):
                weights[kept] = 1
                weights[self._count :] = len(kept) / max(len(self.foundation.classes), 1)
            yield from zip(
                *fit_softmax_each(
                    samples,
                    row_weights,
                    self._axes,
                    self._inverse_penalty,
                    with_bias=not self.foundation.classes,
                ),
                strict=True,
            )

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

    def _raise(self, bias: Floats, weights: Floats, chosen: Integers, present: Integers) -> None:
        """Set the bias of new classes beside those of a foundation; the others stay.

        With few labels their logits fall too fast away from the photos that were learned
        from. They are raised, the more the fewer labels there are, at most until they
        cross the foundation's answer for the prototypes that need not be left alone.
        `weights` [D, L] and `bias` [L] are those of the classes `present` in the rows `chosen`.
        """
        new = ~self._is_old[present]
        if self._replay is None or not new.any():
            return
        labels = float(np.isin(self._truth[chosen], present[new]).sum() / np.sum(new))
        gaps = (self._replay.points @ weights[:, new]).max(axis=1) - self._replay.best
        max_offset = max(0.0, -float(np.percentile(gaps, UNCHANGED_PERCENTILE)))
        bias[new] = FEW_LABELS / (FEW_LABELS + labels) * max_offset


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
