"""Fitting a head to embeddings: softmax regression that stays near where it began."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.training.features import Rows
from backend.training.head import Floats, Head, softmax


@dataclass(frozen=True)
class FitSettings:
    """How strongly what counts."""

    steps: int = 300
    learning_rate: float = 0.02
    keep: float = 0.003
    """Penalty for moving an old class away from the foundation."""
    shrink: float = 0.001
    """Penalty for moving a new class away from the neutral start."""
    label_half_weight: float = 10.0
    """This many labels of a class weigh as much as all its foundation rows together."""


def fit_head(
    foundation: Head, rows: Rows, classes: tuple[str, ...], settings: FitSettings | None = None
) -> Head:
    """Return a head for `classes` (the foundation's first) that fits `rows`.

    Every class that has rows weighs the same, however many it has. A new class
    starts as the mean of the old ones. Deterministic: no random numbers. Rows
    must be of `classes`.
    """
    settings = settings or FitSettings()
    start_kernel, start_bias = _start(foundation, classes)
    if not len(rows):
        return Head(start_kernel, start_bias, classes)
    scale = float(np.sqrt(np.mean(np.square(rows.embeddings)) * rows.embeddings.shape[1])) or 1.0
    inputs = np.concatenate([rows.embeddings / scale, np.ones((len(rows), 1), np.float32)], axis=1)
    start = np.concatenate([start_kernel * scale, start_bias[None]])
    targets = np.zeros((len(rows), len(classes)), np.float32)
    targets[np.arange(len(rows)), rows.indices(classes)] = 1.0
    weights = _weights(rows, settings.label_half_weight)[:, None]
    old = len(foundation.classes)
    penalty = np.where(np.arange(len(classes)) < old, settings.keep, settings.shrink)
    penalty = penalty.astype(np.float32) / max(old, 1)

    parameters = start.copy()
    momentum = np.zeros_like(parameters)
    spread = np.zeros_like(parameters)
    for step in range(1, settings.steps + 1):
        errors = (softmax(inputs @ parameters) - targets) * weights
        gradient = inputs.T @ errors + penalty * (parameters - start)
        momentum = 0.9 * momentum + 0.1 * gradient
        spread = 0.999 * spread + 0.001 * np.square(gradient)
        rate = settings.learning_rate * scale * 0.5 * (1 + np.cos(np.pi * step / settings.steps))
        parameters -= (
            rate * (momentum / (1 - 0.9**step)) / (np.sqrt(spread / (1 - 0.999**step)) + 1e-8)
        )
    return Head(
        (parameters[:-1] / scale).astype(np.float32), parameters[-1].astype(np.float32), classes
    )


def _start(foundation: Head, classes: tuple[str, ...]) -> tuple[Floats, Floats]:
    new = len(classes) - len(foundation.classes)
    kernel = np.concatenate(
        [foundation.kernel, np.repeat(foundation.kernel.mean(1, keepdims=True), new, 1)], axis=1
    )
    bias = np.concatenate([foundation.bias, np.repeat(foundation.bias.mean(keepdims=True), new)])
    return kernel.astype(np.float32), bias.astype(np.float32)


def _weights(rows: Rows, half: float) -> Floats:
    """Return a weight a row; they sum to one over all rows."""
    counts: dict[tuple[str, bool], int] = {}
    keys = [(name, bool(image)) for name, image in zip(rows.classes, rows.images, strict=True)]
    for key in keys:
        counts[key] = counts.get(key, 0) + 1

    def share(name: str, labelled: bool) -> float:
        if (name, not labelled) not in counts:
            return 1.0
        labels = counts[name, True]
        return labels / (labels + half) if labelled else half / (labels + half)

    weights: Floats = np.array([share(*key) / counts[key] for key in keys], np.float32)
    weights /= weights.sum()
    return weights
