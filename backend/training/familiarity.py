"""Learns which photos look like those of the taught classes, and where "unsure" begins.

Three numbers of each photo count, all of them computed with the photo left out: how far its
unit embedding is from the nearest class mean, in units of how photos of one class differ
(Mahalanobis distance with a shrunk common covariance); the log-odds of its best score; and,
once people have said of some photos that they show none of the classes, what tells those from
the others. Each is divided by how much it varies among the labelled photos. The threshold is
the value that all but a few of these exceed. docs/decisions/unsure.md says why these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backend.training.features import Integers
from backend.training.head import Floats, unit
from serving.models.familiarity import TaughtClasses, log_odds

MARKED = 0.05
"""Share of the labelled photos that the threshold marks while they are left out."""
MIN_PHOTOS = 4
"""With fewer labelled photos that are not the only one of their class, nothing is learned."""
_SPREAD = 256
"""Most directions in which photos of one class are said to differ; they take 1.3 MB."""
_SHRINKAGE = 0.1
"""Share of the covariance that is replaced by the same variance in every direction."""
_SCORE_WEIGHT = 0.5
"""Of the log-odds beside the distance, where labels are many."""
_FEW_LABELS = 10.0
"""With so many labels a class, the log-odds weigh half of `_SCORE_WEIGHT`."""
_FEW_NONE = 5.0
"""With so many photos of no class, the rejection weighs as much as the distance; with many more,
twice as much."""
_MIN_OF_NO_CLASS = 5
"""With so many photos of no class, `none_marked` is measured, in as many parts."""
_INVERSE_PENALTY = 10.0
"""C of the regression that tells photos of no class from labelled ones."""
_EMPIRICAL = 60
"""From so many photos the threshold is one of their values; fewer give the mean and deviation
of a normal distribution."""
_NORMAL = 1.9
"""Deviations below the mean, beyond which are `MARKED` of few photos: more than the 1.645 of a
normal distribution, since these numbers have a longer tail below."""
_SHARPNESS = 3.0
"""Logit of the familiarity of the median photo: 95%."""


@dataclass(frozen=True)
class Familiar:
    """What was learned, and how many of the photos it marks while they are left out."""

    classes: TaughtClasses
    marked: float
    """Share of the labelled photos, 0 to 1."""
    photos: int
    """How many those are."""
    none_marked: float | None
    """Share of the photos of no class while they are left out; None if they are few."""


@dataclass(frozen=True)
class _Nearness:
    """Distances to class means, as `TaughtClasses` computes them."""

    matrix: Floats
    """[D, R + C]"""
    offsets: Floats
    """[C]"""
    constant: float

    def distances(self, points: Floats) -> Floats:
        """Return [N] for unit embeddings [N, D]."""
        products = points @ self.matrix
        spread = self.matrix.shape[1] - len(self.offsets)
        nearest = (self.offsets - products[:, spread:]).min(axis=1)
        found: Floats = self.constant + nearest - np.square(products[:, :spread]).sum(axis=1)
        return found


@dataclass(frozen=True)
class _Rejection:
    """What tells photos of no class from labelled ones."""

    direction: Floats
    """[D]"""
    bias: float

    def values(self, points: Floats) -> Floats:
        found: Floats = points @ self.direction + np.float32(self.bias)
        return found


def learn_familiarity(
    embeddings: Floats,
    truth: Integers,
    best_scores: Floats,
    parts: Sequence[Integers],
    none: Floats,
    none_scores: Floats,
    *,
    scores_count: bool,
) -> Familiar | None:
    """Learn from labelled photos, or return None if they are too few.

    `embeddings` are [N, D] and `truth` [N] the numbers of their classes, from 0 and each with
    a photo; `best_scores` [N] the calibrated best scores that each photo got while it was left
    out; `parts` the rows that are left out together; `none` [M, D] embeddings of photos that
    show none of the classes, and `none_scores` [M] their best scores. `scores_count` says
    whether best scores say anything: not if there is one class, or if other classes than the
    taught ones may have them.
    """
    points, outside = unit(embeddings), unit(none)
    sizes = np.bincount(truth)
    usable = sizes[truth] > 1
    if usable.sum() < MIN_PHOTOS:
        return None
    distances, rejected = _held_out(points, truth, parts, outside, usable)
    if usable.sum() < MIN_PHOTOS:
        return None

    distance_scale, score_scale, rejection_scale = (
        _Scale.of(values[usable]) for values in (-distances, log_odds(best_scores), rejected)
    )
    labels = len(points) / len(sizes)
    score_weight = _SCORE_WEIGHT * labels / (labels + _FEW_LABELS) if scores_count else 0.0
    rejection_weight = 2 * len(outside) / (len(outside) + _FEW_NONE)
    # Together: sum of weight * (value - median) / spread.
    factors = (
        1 / distance_scale.spread,
        score_weight / score_scale.spread,
        rejection_weight / rejection_scale.spread,
    )
    middle: float = sum(
        factor * scale.median
        for factor, scale in zip(
            factors, (distance_scale, score_scale, rejection_scale), strict=True
        )
    )
    held_out = (
        factors[0] * -distances + factors[1] * log_odds(best_scores) + factors[2] * rejected
    ) - middle
    threshold = _threshold(held_out[usable])
    sharpness = _SHARPNESS / max(float(np.median(held_out[usable])) - threshold, 1e-6)

    nearness = _nearness(points, truth)
    rejection = _rejection(points, outside) if len(outside) else None
    classes = _taught_classes(nearness, rejection, factors, sharpness, middle + threshold)
    marked = float((held_out[usable] < threshold).mean())
    none_marked = None
    if len(outside) >= _MIN_OF_NO_CLASS:
        without = factors[0] * -nearness.distances(outside) + factors[1] * log_odds(none_scores)
        difference = without + factors[2] * _held_out_rejections(points, outside) - middle
        none_marked = float((difference < threshold).mean())
    return Familiar(classes, marked, int(usable.sum()), none_marked)


def _held_out(
    points: Floats,
    truth: Integers,
    parts: Sequence[Integers],
    outside: Floats,
    usable: npt.NDArray[np.bool_],
) -> tuple[Floats, Floats]:
    """Return the distance [N] and the rejection [N] of each photo, learned without its part.

    Clears those of `usable` [N] whose class is in no other part: there is none to be near to.
    """
    distances = np.zeros(len(points), np.float32)
    rejected = np.zeros(len(points), np.float32)
    for part in parts:
        others = np.setdiff1d(np.arange(len(points)), part)
        if not len(others):
            usable[part] = False
            continue
        usable[part] &= np.isin(truth[part], truth[others])
        distances[part] = _nearness(points[others], truth[others]).distances(points[part])
        if len(outside):
            rejected[part] = _rejection(points[others], outside).values(points[part])
    return distances, rejected


def _taught_classes(
    nearness: _Nearness,
    rejection: _Rejection | None,
    factors: tuple[float, float, float],
    sharpness: float,
    offset: float,
) -> TaughtClasses:
    """Return what a graph computes: `sharpness` times the weighted sum less `offset`.

    `factors` weigh the distance, the best score and the rejection.
    """
    spread = nearness.matrix.shape[1] - len(nearness.offsets)
    scale = sharpness * factors[0]
    matrix = nearness.matrix.copy()
    matrix[:, :spread] *= np.sqrt(scale)
    matrix[:, spread:] *= scale
    constant = -sharpness * offset - scale * nearness.constant
    direction = np.zeros((len(matrix), 1), np.float32)
    if rejection is not None:
        direction = sharpness * factors[2] * rejection.direction[:, None]
        constant += sharpness * factors[2] * rejection.bias
    return TaughtClasses(
        np.concatenate([matrix, direction], axis=1).astype(np.float32),
        (scale * nearness.offsets).astype(np.float32),
        float(constant),
        float(sharpness * factors[1]),
    )


def _held_out_rejections(points: Floats, outside: Floats) -> Floats:
    """Return for each of `outside` what is learned from the others."""
    rejected = np.zeros(len(outside), np.float32)
    for part in range(_MIN_OF_NO_CLASS):
        members = np.arange(len(outside)) % _MIN_OF_NO_CLASS == part
        rejected[members] = _rejection(points, outside[~members]).values(outside[members])
    return rejected


@dataclass(frozen=True)
class _Scale:
    """The median of values, and how far the lowest tenth is below it."""

    median: float
    spread: float

    @classmethod
    def of(cls, values: Floats) -> _Scale:
        median, low = np.quantile(values, (0.5, 0.1))
        # Values that are all the same say nothing, and must not say it loudly.
        spread = float(median - low)
        return cls(float(median), spread if spread > 1e-6 else np.inf)


def _threshold(values: Floats) -> float:
    """Return the value that all but `MARKED` of photos like these exceed."""
    count = len(values)
    if count < _EMPIRICAL:
        return float(values.mean() - _NORMAL * values.std(ddof=1))
    place = max(int(MARKED * (count + 1)) - 1, 0)
    return float(np.sort(values)[place])


def _nearness(points: Floats, truth: Integers) -> _Nearness:
    """Return the distances to the means of the classes that have points."""
    present, places = np.unique(truth, return_inverse=True)
    means = np.stack([points[places == place].mean(axis=0) for place in range(len(present))])
    apart = points - means[places]
    freedom = max(len(points) - len(present), 1)
    count, size = apart.shape
    if count < size:
        squares, rows = np.linalg.eigh(apart @ apart.T)
    else:
        squares, rows = np.linalg.eigh(apart.T @ apart)
    kept = np.argsort(squares)[::-1][:_SPREAD]
    kept = kept[squares[kept] > max(float(squares.max()), 1e-12) * 1e-5]
    squares, rows = squares[kept], rows[:, kept]
    directions = apart.T @ (rows / np.sqrt(squares)) if count < size else rows
    total = float(np.square(apart).sum()) / freedom
    variances = squares / freedom
    even = total / size
    floor = _SHRINKAGE * even + (1 - _SHRINKAGE) * max(total - float(variances.sum()), 0.0) / size
    floor = max(floor, 1e-9)
    along = (1 - _SHRINKAGE) * variances + _SHRINKAGE * even
    weights = np.maximum(1 / floor - 1 / np.maximum(along, floor), 0)
    basis = directions * np.sqrt(weights)
    # |u - m|^2 / floor - |basis' (u - m)|^2, for |u| = 1
    placed = means @ basis
    towards = 2 * (means.T / floor - basis @ placed.T)
    offsets = np.square(means).sum(axis=1) / floor - np.square(placed).sum(axis=1)
    matrix = np.concatenate([basis, towards], axis=1).astype(np.float32)
    return _Nearness(matrix, offsets.astype(np.float32), 1 / floor)


def _rejection(points: Floats, outside: Floats) -> _Rejection:
    """Return what tells `points` from `outside`, which together weigh the same."""
    # It takes a second, and most runs have no photos of no class.
    from sklearn.linear_model import LogisticRegression

    truth = np.repeat([1, 0], [len(points), len(outside)])
    weights = np.repeat([1.0, len(points) / len(outside)], [len(points), len(outside)])
    regression = LogisticRegression(C=_INVERSE_PENALTY, max_iter=300)
    regression.fit(np.concatenate([points, outside]), truth, weights)
    return _Rejection(regression.coef_[0].astype(np.float32), float(regression.intercept_[0]))
