"""Is it enough? What more labels of each class are expected to bring.

The share of wrong answers falls about as a power of the number of labels. How fast it falls for
these photos is measured with a half and a quarter of the labels; what other photos showed says how
fast it can. docs/decisions/labelling-queue.md has the measurements.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backend.contract import Outlook
from backend.training.evaluation import units_of
from backend.training.features import Integers, Rows
from backend.training.head import Floats, unit
from backend.training.near_duplicates import group_near_duplicates
from backend.training.softmax_regression import Axes, Samples, fit_softmax

ADDED = 20
"""Labels a class."""
MIN_LABELS = 4
"""Labels a class, on average, with which anything can be said."""
MAX_ROWS = 800
"""Photos that are learned from to measure the curve; more would take longer than they tell."""
_INVERSE_PENALTY = 10.0
_REPEATS = 3
"""Parts of each size that are learned from."""
_FOLDS, _FEWER_FOLDS, _MANY = 5, 3, 500
"""Parts that are left out in turn, and how many of more than so many photos."""
_EXPONENT, _EXPONENT_SPREAD = 0.33, 0.15
"""Of the power, over photos of all kinds, and its standard deviation."""
_MODEL_SPREAD = 0.08
"""Standard deviation of the logarithm of the error around any power."""
_UNKNOWN = 0.012
"""Standard deviation of the gain because of which photos happen to be labelled."""
_Z = 1.5
"""Standard deviations to each side; 1.28 if they were known, which they are not."""


@dataclass(frozen=True)
class CurvePoint:
    """The share of wrong answers after learning from so many labels a class."""

    labels_per_class: float
    error: float


def outlook_of(rows: Rows, measured_error: float | None = None) -> Outlook | None:
    """Return what ADDED more labels of each class are expected to bring; None if too few exist.

    `rows` are all labelled photos, in an order that does not depend on when they were labelled;
    `measured_error` is the share of them that the version answers wrong while they are left
    out, if it competes with more classes than theirs.
    """
    classes = tuple(sorted(set(rows.classes)))
    if len(classes) < 2 or len(rows) < MIN_LABELS * len(classes):
        return None
    truth = rows.indices(classes).astype(np.int64)
    curve = learning_curve(unit(rows.embeddings), truth)
    return expected(curve, len(rows) / len(classes), len(rows), measured_error)


def learning_curve(points: Floats, truth: Integers) -> list[CurvePoint]:
    """Measure the error for parts of N labelled photos, `points` [N, D] of length 1.

    `truth` [N] are their classes, from 0. The first point is that of nearly all labels.
    """
    rng = np.random.default_rng(0)
    if len(points) > 2 * MAX_ROWS:
        # Photos that nothing is learned from tell the error.
        learned = [MAX_ROWS / len(points), MAX_ROWS / 2 / len(points)]
        groups = np.arange(len(points))
    else:
        learned = [0.5, 0.25]
        groups = _dealt_groups(points, truth)
    fits = _Fits(points, truth)
    curve = []
    if len(points) <= 2 * MAX_ROWS:
        order = rng.permutation(int(groups.max()) + 1)
        folds = _FOLDS if len(points) <= _MANY else _FEWER_FOLDS
        parts = [np.isin(groups, order[fold::folds]) for fold in range(folds)]
        curve.append(fits.point([np.flatnonzero(~part) for part in parts]))
    for share in learned:
        chosen = [_part(truth, groups, share, rng) for _ in range(_REPEATS)]
        curve.append(fits.point(chosen))
    return curve


def expected(
    curve: list[CurvePoint], labels_per_class: float, photos: int, error: float | None = None
) -> Outlook:
    """Return what a learning curve of `photos` labelled photos, so many a class, promises.

    `error` is that at its end, if it is known otherwise.
    """
    # Half a wrong answer where there was none: nothing is known to be without error.
    errors = np.array([max(point.error, 0.5 / photos) for point in curve])
    labels = np.array([point.labels_per_class for point in curve])
    # log(error) = level - exponent * log(labels / labels_per_class), with a prior on the exponent.
    design = np.stack([np.ones(len(curve)), -np.log(labels / labels_per_class)], axis=1)
    weight = 1 / ((1 - errors) / (errors * photos) + _MODEL_SPREAD**2)
    precision = design.T @ (design * weight[:, None])
    precision[1, 1] += _EXPONENT_SPREAD**-2
    pull = design.T @ (weight * np.log(errors))
    pull[1] += _EXPONENT * _EXPONENT_SPREAD**-2
    covariance = np.linalg.inv(precision)
    level, exponent = covariance @ pull
    exponent = max(exponent, 0.0)
    reached = math.exp(level) if error is None else max(error, 0.5 / photos)
    growth = math.log(1 + ADDED / labels_per_class)
    left = math.exp(-exponent * growth)
    gain = reached * (1 - left)
    slope = np.array([gain, reached * growth * left])
    spread = math.sqrt(float(slope @ covariance @ slope) + _UNKNOWN**2)
    return Outlook(
        ADDED,
        round(gain, 4),
        round(gain - _Z * spread, 4),
        round(min(gain + _Z * spread, reached), 4),
    )


class _Fits:
    """Fits plain regressions to parts of labelled photos."""

    def __init__(self, points: Floats, truth: Integers) -> None:
        self._truth = truth
        # Of a part, so that no more axes are found than photos are learned from at once.
        step = max(1, len(points) // MAX_ROWS)
        self._axes = Axes.of(points[::step], centred=True)
        self._coordinates = self._axes.coordinates(points)
        self._points = points
        self._classes = int(truth.max()) + 1

    def point(self, parts: list[Integers]) -> CurvePoint:
        """Return the mean over `parts`, each of them learned from, all others answered."""
        labels = float(np.mean([len(part) for part in parts])) / self._classes
        wrong = [wrong for part in parts for wrong in self._wrong(part)]
        return CurvePoint(labels, float(np.mean(wrong)))

    def _wrong(self, part: Integers) -> Iterator[bool]:
        count = len(part)
        samples = Samples(
            coordinates=self._coordinates[part],
            targets=np.eye(self._classes, dtype=np.float32)[self._truth[part]],
            weight=np.ones(count, np.float32),
            offsets=np.zeros((count, self._classes), np.float32),
            rest=np.full(count, -np.inf, np.float32),
            own=np.zeros(count, np.float32),
        )
        weights, bias = fit_softmax(samples, self._axes, _INVERSE_PENALTY, with_bias=True)
        others = np.setdiff1d(np.arange(len(self._truth)), part)
        answers = (self._points[others] @ weights + bias).argmax(axis=1)
        yield from (answers != self._truth[others]).tolist()


def _dealt_groups(points: Floats, truth: Integers) -> Integers:
    """Return the group [N] of near-duplicates of each photo, which are not torn apart."""
    groups = np.empty(len(points), np.int64)
    names = tuple(map(str, truth.tolist()))
    for number, members in enumerate(units_of(names, group_near_duplicates(points))):
        groups[members] = number
    return groups


def _part(truth: Integers, groups: Integers, share: float, rng: np.random.Generator) -> Integers:
    """Return about a share of the photos of each class, near-duplicates together."""
    order = rng.permutation(int(groups.max()) + 1)[groups]
    chosen: list[int] = []
    for index in range(int(truth.max()) + 1):
        members = np.flatnonzero(truth == index)
        members = members[np.argsort(order[members], kind="stable")]
        chosen += members[: max(1, round(share * len(members)))].tolist()
    return np.sort(np.array(chosen))
