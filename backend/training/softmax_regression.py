"""Multinomial logistic regression on points whose other logits may be given.

The loss is convex and has one minimum, so what comes out depends on no start and on no
random numbers. L-BFGS finds it on coordinates along the principal axes of the
points, scaled so that the loss curves about equally in each: a few dozen evaluations do
then, where the points as they are take hundreds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.training.head import Floats
from backend.training.minimum import Doubles, minimum

_ITERATIONS = 200
_TOLERANCE = 1e-4
"""Of the gradient of the mean loss of a row, along scaled coordinates."""
_DECREASE = 1e-6
"""A step that lowers the mean loss by less is the last one; float32 tells no more apart."""
_LARGE = 200_000_000
"""Coordinates times classes from which both may be ten times as large: with a thousand
classes, a second is enough then, and no answer changes."""
NEGLIGIBLE = 1e-6
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
    def of(cls, points: Floats, *, centred: bool, max_axes: int | None = None) -> Axes:
        """Return the axes of points [N, D], N > 0, along which they differ at all.

        P is at most the smaller one of N and D, and at most `max_axes`.
        """
        size = points.shape[1]
        centre = points.mean(axis=0) if centred else np.zeros(size, np.float32)
        moved = points - centre
        if len(points) < size:
            squares, rows = np.linalg.eigh(moved @ moved.T)
            kept = squares > max(float(squares[-1]), 1e-12) * NEGLIGIBLE
            directions = np.asarray(moved.T @ (rows[:, kept] / np.sqrt(squares[kept])), np.float32)
        else:
            squares, found = np.linalg.eigh(moved.T @ moved)
            kept = squares > max(float(squares[-1]), 1e-12) * NEGLIGIBLE
            directions = np.asarray(found[:, kept], np.float32)
        return cls(
            centre.astype(np.float32),
            np.ascontiguousarray(directions[:, ::-1][:, :max_axes], np.float32),
            np.ascontiguousarray(squares[kept][::-1][:max_axes] / len(points), np.float32),
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
    weights, bias = fit_softmax_each(
        samples, samples.weight[None], axes, inverse_penalty, with_bias=with_bias
    )
    return weights[0], bias[0]


def fit_softmax_each(
    samples: Samples,
    row_weights: Floats,
    axes: Axes,
    inverse_penalty: float,
    *,
    with_bias: bool,
) -> tuple[Floats, Floats]:
    """Return weights [F, D, L] and biases [F, L] of F fits to the same rows, as `fit_softmax` does.

    `row_weights` [F, N] are those of the rows in each fit, in place of `samples.weight`. All are
    found at once: products of the rows with the weights of ten fits of two classes take half as
    long so as one after the other.
    """
    fits, count, size = len(row_weights), samples.targets.shape[1], len(axes.spread)
    totals = row_weights.sum(axis=1)
    penalties = (1.0 / (inverse_penalty * totals)).astype(np.float32)
    row_weight = np.ascontiguousarray((row_weights / totals[:, None]).T, np.float32)
    # The loss of K equally probable classes curves by a share of 1/K of the points' spread.
    scale = (1 / np.sqrt(axes.spread / (count + 1) + penalties.mean())).astype(np.float32)
    bias_scale = np.float32(np.sqrt(count + 1) if with_bias else 0)
    points = samples.coordinates * scale
    shrinkage = (scale * scale)[:, None, None] * penalties[:, None]
    shown = samples.targets.sum(axis=1)
    others = np.maximum(1 - shown, 0)
    constant = float(np.sum(row_weight.T @ (others * np.where(others > 0, samples.own, 0))))
    offsets = samples.offsets[:, None, :] if samples.offsets.any() else None
    loosely = 10 if samples.coordinates.size * count > _LARGE else 1

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        step = parameters.reshape(size + 1, fits, count).astype(np.float32)
        logits = (points @ step[:size].reshape(size, fits * count)).reshape(-1, fits, count)
        logits += step[size] * bias_scale
        if offsets is not None:
            logits += offsets
        largest = np.maximum(logits.max(axis=2), samples.rest[:, None])
        logits -= largest[:, :, None]
        wrong = np.exp(logits)
        summed = wrong.sum(axis=2) + np.exp(samples.rest[:, None] - largest)
        # Of the classes that get weights; that of all others together is a constant.
        likely = np.einsum("nl,nfl->nf", samples.targets, logits) - np.log(summed)
        likely -= others[:, None] * largest
        wrong /= summed[:, :, None]
        wrong -= samples.targets[:, None, :]
        wrong *= row_weight[:, :, None]
        gradient = np.empty((size + 1, fits, count), np.float64)
        pull = shrinkage * step[:size]
        gradient[:size] = (points.T @ wrong.reshape(-1, fits * count)).reshape(pull.shape) + pull
        gradient[size] = wrong.sum(axis=0) * bias_scale
        value = -float(np.vdot(row_weight.astype(np.float64), likely)) - constant
        value += 0.5 * float(np.vdot(pull, step[:size]))
        return value, gradient.ravel()

    found = minimum(
        loss,
        np.zeros((size + 1) * fits * count),
        steps=_ITERATIONS,
        gradient=loosely * _TOLERANCE,
        decrease=loosely * _DECREASE,
    )
    step = found.reshape(size + 1, fits, count).transpose(1, 0, 2)
    weights = (axes.directions @ (step[:, :size] * scale[:, None])).astype(np.float32)
    bias = step[:, size] * bias_scale - axes.centre @ weights
    return weights, np.asarray(bias, np.float32)
