"""Fits a head to embeddings: softmax regression that stays near its start."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from backend.training.features import Rows
from backend.training.head import Floats, Head, softmax
from backend.training.minimum import Doubles

# Weights in the loss; the rows of one class together weigh 1.
OLD_CLASS_PENALTY = 0.003
"""For moving an old class away from the foundation."""
NEW_CLASS_PENALTY = 0.001
"""For moving a new class away from its neutral start."""
LABELS_HALF_WEIGHT = 10.0
"""This many labels of a class weigh as much as all its foundation rows together."""
STEPS = 60
TOLERANCE = 1e-3


def fit_head(foundation: Head, rows: Rows, classes: tuple[str, ...]) -> Head:
    """Return a head for `classes` (the foundation's first) that fits `rows`.

    Every class that has rows weighs the same, however many it has. A new class
    starts as the mean of the old ones. The result is the only minimum of a convex loss:
    it depends on no random numbers and no order of rows. Rows must be of `classes`.
    """
    start_kernel, start_bias = _start(foundation, classes)
    if not len(rows):
        return Head(start_kernel, start_bias, classes)
    # Scaled to a mean length of one, so that the penalties suit every backbone.
    scale = float(np.sqrt(np.mean(np.square(rows.embeddings)) * rows.embeddings.shape[1])) or 1.0
    inputs = np.concatenate([rows.embeddings / scale, np.ones((len(rows), 1), np.float32)], axis=1)
    start = np.concatenate([start_kernel * scale, start_bias[None]]).astype(np.float32)
    truth = np.arange(len(rows)), rows.indices(classes)
    weights = _weights(rows)
    is_old = np.arange(len(classes)) < len(foundation.classes)
    penalty = np.where(is_old, OLD_CLASS_PENALTY, NEW_CLASS_PENALTY).astype(np.float32)

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        parameters = flat.reshape(start.shape).astype(np.float32)
        errors = softmax(inputs @ parameters)
        likelihoods = np.maximum(errors[truth], np.finfo(np.float32).tiny)
        errors[truth] -= 1
        moved = parameters - start
        pull = penalty * moved
        value = -np.vdot(weights, np.log(likelihoods)) + 0.5 * np.vdot(pull, moved)
        gradient = inputs.T @ (errors * weights[:, None]) + pull
        return float(value), gradient.ravel().astype(np.float64)

    # Imported here, since only versions of Servery 0.1 are taught so.
    from scipy.optimize import minimize

    options = {"maxiter": STEPS, "gtol": TOLERANCE}
    found: Any = minimize(
        loss, start.ravel().astype(np.float64), jac=True, method="L-BFGS-B", options=options
    )
    minimum = found.x.reshape(start.shape).astype(np.float32)
    return Head(minimum[:-1] / np.float32(scale), minimum[-1], classes)


def _start(foundation: Head, classes: tuple[str, ...]) -> tuple[Floats, Floats]:
    new = len(classes) - len(foundation.classes)
    kernel = np.concatenate(
        [foundation.kernel, np.repeat(foundation.kernel.mean(1, keepdims=True), new, 1)], axis=1
    )
    bias = np.concatenate([foundation.bias, np.repeat(foundation.bias.mean(keepdims=True), new)])
    return kernel.astype(np.float32), bias.astype(np.float32)


def _weights(rows: Rows) -> Floats:
    """Return a weight a row; those of one class sum to one."""
    keys = [(name, bool(image)) for name, image in zip(rows.classes, rows.images, strict=True)]
    counts = Counter(keys)

    def share(name: str, labeled: bool) -> float:
        if (name, not labeled) not in counts:
            return 1.0
        labels = counts[name, True]
        return (labels if labeled else LABELS_HALF_WEIGHT) / (labels + LABELS_HALF_WEIGHT)

    return np.array([share(*key) / counts[key] for key in keys], np.float32)
