"""Multinomial logistic regression on points whose other logits may be given.

The loss is convex and has one minimum, so what comes out depends on no start and on no
random numbers. SciPy's L-BFGS-B finds it on coordinates along the principal axes of the
points, scaled so that the loss curves about equally in each: a few dozen evaluations do
then, where the points as they are take hundreds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.training.head import Floats

Doubles = npt.NDArray[np.float64]

_ITERATIONS = 200
_TOLERANCE = 1e-4
"""Of the gradient of the mean loss of a row, along scaled coordinates."""
_DECREASE = 1e-6
"""A step that lowers the mean loss by less is the last one; float32 tells no more apart."""
_LARGE = 200_000_000
"""Coordinates times classes from which both may be ten times as large: with a thousand
classes, a second is enough then, and no answer changes."""
_NEGLIGIBLE = 1e-6
"""Axes along which points spread less than this, beside the first one, are left out."""


@dataclass(frozen=True)
class Axes:
    """The principal axes of points, and how to scale coordinates along them."""

    centre: Floats
    """[D]: what is subtracted first; zeros where no bias can make up for it."""
    directions: Floats
    """[D, P], orthonormal."""
    spread: Floats
    """[P]: the mean square of the points' coordinates along each, largest first."""

    @classmethod
    def of(cls, points: Floats, *, centred: bool, most: int | None = None) -> Axes:
        """Return the axes of points [N, D], N > 0, along which they differ at all.

        P is at most the smaller one of N and D, and at most `most`.
        """
        size = points.shape[1]
        centre = points.mean(axis=0) if centred else np.zeros(size, np.float32)
        moved = points - centre
        if len(points) < size:
            squares, rows = np.linalg.eigh(moved @ moved.T)
            kept = squares > max(float(squares[-1]), 1e-12) * _NEGLIGIBLE
            directions = np.asarray(moved.T @ (rows[:, kept] / np.sqrt(squares[kept])), np.float32)
        else:
            squares, found = np.linalg.eigh(moved.T @ moved)
            kept = squares > max(float(squares[-1]), 1e-12) * _NEGLIGIBLE
            directions = np.asarray(found[:, kept], np.float32)
        return cls(
            centre.astype(np.float32),
            np.ascontiguousarray(directions[:, ::-1][:, :most], np.float32),
            np.ascontiguousarray(squares[kept][::-1][:most] / len(points), np.float32),
        )

    def coordinates(self, points: Floats) -> Floats:
        """Return [N, P] for points [N, D]."""
        return np.asarray((points - self.centre) @ self.directions, np.float32)


@dataclass(frozen=True)
class Samples:
    """N points to fit to, and the logits that stay as they are."""

    coordinates: Floats
    """[N, P], along axes."""
    targets: Floats
    """[N, L]: the probability of each class that gets weights. What a row lacks to 1 is that
    of a class that gets none, whose logit is in `own`."""
    weight: Floats
    """[N]"""
    offsets: Floats
    """[N, L]: what is added to the logits of the classes that get weights."""
    rest: Floats
    """[N]: logarithm of the summed exponentials of the logits of all other classes."""
    own: Floats
    """[N]"""


def plain_samples(coordinates: Floats, targets: Floats, weight: Floats) -> Samples:
    """Return samples of N rows where every class gets weights, and no logit is given."""
    nothing = np.full(len(targets), -np.inf, np.float32)
    return Samples(
        coordinates, targets, weight, np.zeros_like(targets), nothing, np.zeros_like(weight)
    )


def fit_softmax(
    samples: Samples, axes: Axes, inverse_penalty: float, *, with_bias: bool
) -> tuple[Floats, Floats]:
    """Return weights [D, L] and biases [L] of least loss; biases are 0 without them.

    The loss is `inverse_penalty` (scikit-learn's C) times the sum of the rows' weighted
    cross-entropies plus half the squared weights. Biases are not penalized.
    """
    # Imported here: it takes longer than all else that this module does for a few labels.
    from scipy.optimize import minimize

    total = float(samples.weight.sum())
    penalty = 1.0 / (inverse_penalty * total)
    row_weight = (samples.weight / total)[:, None].astype(np.float32)
    count = samples.targets.shape[1]
    size = len(axes.spread)
    # The loss of K equally probable classes curves by a share of 1/K of the points' spread.
    scale = (1 / np.sqrt(axes.spread / (count + 1) + penalty)).astype(np.float32)
    bias_scale = np.float32(np.sqrt(count + 1) if with_bias else 0)
    points = samples.coordinates * scale
    shrinkage = (penalty * scale * scale)[:, None]
    shown = samples.targets.sum(axis=1)
    others = np.maximum(1 - shown, 0)
    constant = float((row_weight[:, 0] * others * np.where(others > 0, samples.own, 0)).sum())
    with_offsets = bool(samples.offsets.any())
    loosely = 10 if samples.coordinates.size * count > _LARGE else 1

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        step = parameters.reshape(size + 1, count).astype(np.float32)
        logits = points @ step[:size]
        logits += step[size] * bias_scale
        if with_offsets:
            logits += samples.offsets
        largest = np.maximum(logits.max(axis=1), samples.rest)[:, None]
        logits -= largest
        wrong = np.exp(logits)
        summed = wrong.sum(axis=1) + np.exp(samples.rest - largest[:, 0])
        # Of the classes that get weights; that of all others together is a constant.
        likely = np.einsum("nl,nl->n", samples.targets, logits) - np.log(summed)
        likely -= others * largest[:, 0]
        wrong /= summed[:, None]
        wrong -= samples.targets
        wrong *= row_weight
        gradient = np.empty((size + 1, count), np.float64)
        pull = shrinkage * step[:size]
        gradient[:size] = points.T @ wrong + pull
        gradient[size] = wrong.sum(axis=0) * bias_scale
        value = -float(np.vdot(row_weight[:, 0].astype(np.float64), likely)) - constant
        value += 0.5 * float(np.vdot(pull, step[:size]))
        return value, gradient.ravel()

    found: Any = minimize(
        loss,
        np.zeros((size + 1) * count),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": _ITERATIONS,
            "gtol": loosely * _TOLERANCE,
            "ftol": loosely * _DECREASE,
            "maxcor": 10,
        },
    )
    step = found.x.reshape(size + 1, count)
    weights = (axes.directions @ (step[:size] * scale[:, None])).astype(np.float32)
    bias = step[size] * bias_scale - axes.centre @ weights
    return weights, np.asarray(bias, np.float32)
