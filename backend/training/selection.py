"""Decides by cross-validation how a head is fitted: penalty, and whether the pool teaches.

Photos without labels make a head better where photos of a class look alike, and worse
where they do not; which of them a folder is, its labels say. Heads are compared by the
log loss of photos that were left out, each at the temperature that suits it best: soft
labels make a head less confident, which is no fault of its answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.training.evaluation import Fitter, cross_validated, cross_validation_folds
from backend.training.features import Rows
from backend.training.head import Floats, Head
from backend.training.learned import CrossValidated
from backend.training.pool_regression import MAX_LABELS_A_CLASS, PoolProblem
from backend.training.regression import INVERSE_PENALTY, Problem

OTHER_INVERSE_PENALTIES = (1.0, 100.0)
"""Tried beside INVERSE_PENALTY, which suits photos well; others may suit other embeddings."""
MIN_LABELS_A_CLASS = 20
"""With fewer, leaving a photo out changes the shares of the classes, which says more about
penalties than the photos do."""
MAX_SEARCH = 40_000
"""Labels times classes up to which they are tried: cross-validating three takes seconds then."""
_CLEARLY = 1.0
"""Standard errors by which another penalty must be better."""
_PERHAPS = 0.5
"""Standard errors by which the log loss with the pool must be worse for the pool to be left out."""
_TEMPERATURES = np.exp(np.linspace(-3, 3, 25))
_MIN_PROBABILITY = 1e-7
"""Smaller probabilities count as this one: float16 cannot tell them from 0."""

OnPart = Callable[[int, int], None]
"""Called before each fit with its number, from 1, and how many there are in all."""


@dataclass(frozen=True)
class ChosenFit:
    """How the head is fitted that goes live, and what its cross-validation said."""

    problem: Fitter
    judged: CrossValidated
    pool: int
    """Photos without labels that are learned from."""


def uses_pool(foundation: Head, labels: int, classes: int) -> bool:
    """Say whether photos without labels may teach a model that has so many labels.

    Beside the classes of a foundation they do not: most photos of a pool show none of the
    labelled classes then.
    """
    return not foundation.classes and classes > 1 and labels <= MAX_LABELS_A_CLASS * classes


def choose(foundation: Head, rows: Rows, mean: Floats, pool: Floats, on_part: OnPart) -> ChosenFit:
    """Choose how to fit the sorted `rows`, which are at least one.

    `mean` [D] is the mean embedding of all photos, `pool` [M, D] those of photos without
    labels, M >= 0.
    """
    classes = len(set(rows.classes))
    searched = (
        not foundation.classes
        and classes > 1
        and len(rows) >= MIN_LABELS_A_CLASS * classes
        and len(rows) * classes <= MAX_SEARCH
    )
    others = OTHER_INVERSE_PENALTIES if searched else ()
    with_pool = bool(len(pool)) and uses_pool(foundation, len(rows), classes)
    parts = cross_validation_folds(rows)
    rounds = 1 + len(others) + with_pool

    def judged(problem: Fitter, turn: int) -> CrossValidated:
        def on_turn(number: int, count: int) -> None:
            on_part(turn * count + number, rounds * count)

        return cross_validated(problem, rows, on_turn, parts)

    penalty = INVERSE_PENALTY
    problem = Problem(foundation, rows, mean, penalty)
    chosen: ChosenFit = ChosenFit(problem, judged(problem, 0), 0)
    usual = chosen.judged
    for turn, other in enumerate(others, 1):
        problem = Problem(foundation, rows, mean, other)
        tried = judged(problem, turn)
        if _gain(usual, tried) > _CLEARLY and _gain(chosen.judged, tried) > 0:
            chosen, penalty = ChosenFit(problem, tried, 0), other
    if with_pool:
        spread = PoolProblem(foundation, rows, pool, penalty)
        tried = judged(spread, rounds - 1)
        if _gain(chosen.judged, tried) > -_PERHAPS:
            chosen = ChosenFit(spread, tried, len(pool))
    return chosen


def _gain(before: CrossValidated, after: CrossValidated) -> float:
    """Return how much lower the log loss is after, in standard errors of the difference."""
    gains = _log_losses(before) - _log_losses(after)
    error = gains.std() / np.sqrt(len(gains))
    return float(gains.mean() / max(error, 1e-9))


def _log_losses(found: CrossValidated) -> Floats:
    """Return the log loss [N] of each photo's label, at the temperature where all are least."""
    index_of = {name: index for index, name in enumerate(found.classes)}
    truth = np.array([index_of[name] for name in found.labels])[:, None]
    logits = np.log(np.maximum(found.probabilities.astype(np.float64), _MIN_PROBABILITY))
    candidates = []
    for temperature in _TEMPERATURES:
        scaled = logits / temperature
        largest = scaled.max(axis=1, keepdims=True)
        total = largest[:, 0] + np.log(np.exp(scaled - largest).sum(axis=1))
        losses = total - np.take_along_axis(scaled, truth, axis=1)[:, 0]
        # The square keeps a few labels that are all right from asking for an extreme one.
        candidates.append((losses.sum() + 0.5 * np.log(temperature) ** 2, losses))
    best: Floats = min(candidates, key=lambda candidate: candidate[0])[1]
    return best
