"""Fits the part of a head that reads unit embeddings: multinomial logistic regression.

The foundation, which is the head before anyone taught it, keeps its part on the
embedding itself. Labels only add to it: each class that is labelled gets weights on
the unit embedding. Everything is computed in an order that the images decide, so that
the order of the labels changes no score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.training.features import Integers, Rows
from backend.training.head import Floats, Head, unit
from backend.training.minimize import Doubles, minimize

INVERSE_PENALTY = 10.0
"""How much the labels weigh beside the squared weights: C of scikit-learn, where the loss is
C times the sum of the rows' losses plus half the squared weights."""
_STEPS = 300
_TOLERANCE = 1e-4
"""Of the gradient of the mean loss of a row; scikit-learn's."""


@dataclass(frozen=True)
class Problem:
    """Labelled rows, prepared so that heads can be fitted to any part of them.

    With fewer rows than an embedding has numbers, rows are turned into a space of as many
    dimensions as there are rows. Weights that fit best lie in it, so nothing is lost.
    """

    foundation: Head
    classes: tuple[str, ...]
    """Those of the head: the foundation's, then the new ones by name."""
    labelled: Integers
    """Indices in `classes` of the classes that have rows; these get weights."""
    embeddings: Floats
    """[N, D]"""
    points: Floats
    """[N, P]: unit embeddings, perhaps in another basis."""
    basis: Floats | None
    """[D, P], or None for the embeddings' own."""
    truth: Integers
    """[N] of indices in `labelled`."""
    offsets: Floats
    """[N, len(labelled)]: the foundation's logits, 0 for a new class."""
    rest: Floats
    """[N]: logarithm of the summed exponentials of the logits of all other classes."""

    @classmethod
    def of(cls, foundation: Head, rows: Rows) -> Problem:
        """Prepare `rows`; `foundation` has a kernel [2D, C]."""
        names = sorted(set(rows.classes))
        known = {name: index for index, name in enumerate(foundation.classes)}
        new = [name for name in names if name not in known]
        classes = (*foundation.classes, *new)
        index_of = {name: index for index, name in enumerate(classes)}
        labelled = np.array([index_of[name] for name in names], np.int32)
        place_of = {name: place for place, name in enumerate(names)}
        logits = foundation.logits(rows.embeddings)
        offsets = np.zeros((len(rows), len(names)), np.float32)
        old = labelled < len(foundation.classes)
        offsets[:, old] = logits[:, labelled[old]]
        points, basis = _reduced(unit(rows.embeddings))
        return cls(
            foundation=foundation,
            classes=classes,
            labelled=labelled,
            embeddings=rows.embeddings,
            points=points,
            basis=basis,
            truth=np.array([place_of[name] for name in rows.classes], np.int32),
            offsets=offsets,
            rest=_log_sum(np.delete(logits, labelled[old], axis=1)),
        )

    def fit(self, chosen: Integers) -> Head:
        """Return the head that fits the rows of these indices, which are at least one."""
        points = self.points[chosen]
        present, truth = np.unique(self.truth[chosen], return_inverse=True)
        offsets, rest = self.offsets[chosen], self.rest[chosen]
        # Old classes that no chosen row shows get no weights, but still compete.
        absent = np.setdiff1d(np.flatnonzero(self.labelled < len(self.foundation.classes)), present)
        rest = np.logaddexp(rest, _log_sum(offsets[:, absent]))
        weights, bias = _fit(points, truth, offsets[:, present], rest)
        size = self.embeddings.shape[1]
        kernel = np.zeros((2 * size, len(self.classes)), np.float32)
        biases = np.full(len(self.classes), _NEVER, np.float32)
        kernel[:, : len(self.foundation.classes)] = self.foundation.kernel
        biases[: len(self.foundation.classes)] = self.foundation.bias
        columns = self.labelled[present]
        new = columns >= len(self.foundation.classes)
        biases[columns[new]] = 0
        kernel[size:, columns] += weights if self.basis is None else self.basis @ weights
        biases[columns] += bias
        return Head(kernel, biases, self.classes)


_NEVER = -1e4
"""The bias of a class that no chosen row shows: its score is 0."""


def sorted_rows(rows: Rows) -> Rows:
    """Return the rows in the order of their images."""
    order = sorted(range(len(rows)), key=rows.images.__getitem__)
    return Rows(
        rows.embeddings[order],
        tuple(rows.classes[index] for index in order),
        tuple(rows.images[index] for index in order),
    )


def _fit(points: Floats, truth: Integers, offsets: Floats, rest: Floats) -> tuple[Floats, Floats]:
    """Return weights [P, L] and biases [L] for points [N, P] of the classes `truth` of L."""
    count, size = points.shape
    rows = np.arange(count)
    penalty = 1.0 / (INVERSE_PENALTY * count)

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        weights = parameters[:-1]
        logits = (points @ weights.astype(np.float32)).astype(np.float64)
        logits += offsets + parameters[-1]
        largest = np.maximum(logits.max(axis=1), rest)
        errors = np.exp(logits - largest[:, None])
        total = errors.sum(axis=1) + np.exp(rest - largest)
        likelihood = logits[rows, truth] - largest - np.log(total)
        errors /= total[:, None]
        errors[rows, truth] -= 1
        errors /= count
        gradient = np.empty_like(parameters)
        gradient[:-1] = points.T @ errors.astype(np.float32) + penalty * weights
        gradient[-1] = errors.sum(axis=0)
        value = -likelihood.mean() + 0.5 * penalty * np.vdot(weights, weights)
        return float(value), gradient

    start: Doubles = np.zeros((size + 1, offsets.shape[1]), np.float64)
    minimum = minimize(loss, start, steps=_STEPS, tolerance=_TOLERANCE)
    return minimum[:-1].astype(np.float32), minimum[-1].astype(np.float32)


def _reduced(points: Floats) -> tuple[Floats, Floats | None]:
    """Return points [N, P] in a basis [D, P] with P = N, if that is much smaller than D."""
    count, size = points.shape
    if 2 * count > size:
        return points, None
    basis, coordinates = np.linalg.qr(points.T)
    return np.ascontiguousarray(coordinates.T), basis


def _log_sum(logits: Floats) -> Floats:
    """Return log(sum(exp(logits))) of each row; minus infinity without columns."""
    if logits.shape[1] == 0:
        return np.full(len(logits), -np.inf, np.float32)
    largest = logits.max(axis=1)
    total: Floats = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    return total
