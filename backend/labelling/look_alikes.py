"""Groups of photos without a label that look alike, to be named with one action each.

New kinds come first: the photos around the one that has most photos close to it, then those
around one that is different. Once there are labels, photos that clearly show a known class are
a group each class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backend.labelling.coverage import FAR, LOOKS_ALIKE, centred, nearest_cosine
from backend.labelling.judgement import Judgement
from backend.training.features import Integers
from backend.training.head import Floats

MAX_PHOTOS = 12
"""Of a group: as many as can be checked at a glance."""
CLEAR = 0.5
"""Probability from which a photo is shown among those of its class."""
_NEIGHBOURS = 5
"""A photo is typical if this many others are close to it."""
_DIFFERENT = 0.9
"""Weight by which likeness to a group that exists already counts against a photo."""
_TRIES = 20
"""Photos whose neighbours are looked at for each group, at most: others may have taken them."""
_MANY, _SAMPLE, _AXES = 4_000, 1_000, 256
"""Of more photos than that, all are compared along fewer axes, which a sample of them decides. That
takes a fifth of the time, and changes a cosine by 0.006 on average."""
_BLOCK = 1_024


@dataclass(frozen=True)
class Group:
    """At least two photos; the most typical one first."""

    indices: tuple[int, ...]
    suggestion: str
    """Empty if they show no known class."""
    score: float


def look_alikes(
    unlabelled: Floats, labelled: Floats, judgement: Judgement, count: int
) -> list[Group]:
    """Return at most `count` groups of N photos, the best one to name first.

    `unlabelled` [N, D] and `labelled` [L, D] are of length 1; `judgement` is about the former.
    No photo is in two groups.
    """
    if len(unlabelled) < 2:
        return []
    photos, taught = centred(unlabelled, labelled)
    nearest = nearest_cosine(photos, taught)
    is_free = np.ones(len(photos), np.bool_)
    clear = _of_known_classes(judgement, nearest, is_free)
    around = _around_typical(photos, nearest, is_free, judgement, count)
    new = [group for group in around if nearest[group.indices[0]] < LOOKS_ALIKE]
    old = [group for group in around if nearest[group.indices[0]] >= LOOKS_ALIKE]
    return (new + clear + old)[:count]


def _of_known_classes(
    judgement: Judgement, nearest: Floats, is_free: npt.NDArray[np.bool_]
) -> list[Group]:
    """Return a group for each class that photos clearly show, the surest one first."""
    if not judgement.classes:
        return []
    best = judgement.probabilities.argmax(axis=1)
    score = judgement.probabilities.max(axis=1)
    # Beside few classes a photo of another kind is as probable; but it looks like none of them.
    is_clear = (score >= CLEAR) & ((nearest >= FAR) | (judgement.labels[best] == 0))
    groups = []
    for index in np.unique(best[is_clear]):
        members = np.flatnonzero((best == index) & is_clear)
        members = members[np.argsort(-score[members], kind="stable")][:MAX_PHOTOS]
        if len(members) > 1:
            is_free[members] = False
            mean = float(score[members].mean())
            groups.append(Group(tuple(members.tolist()), judgement.classes[index], mean))
    return sorted(groups, key=lambda group: -group.score * len(group.indices))


def _around_typical(
    photos: Floats,
    nearest: Floats,
    is_free: npt.NDArray[np.bool_],
    judgement: Judgement,
    count: int,
) -> list[Group]:
    closeness, best = _neighbours(photos)
    # Of the nearest photo that is labelled, or in the middle of a group.
    similar = np.maximum(nearest, 0)
    groups: list[Group] = []
    is_seed = is_free & (best >= LOOKS_ALIKE)
    for _ in range(_TRIES * count):
        if len(groups) == count or not is_seed.any():
            break
        gain = np.where(is_seed, closeness - _DIFFERENT * similar, -np.inf)
        seed = int(gain.argmax())
        cosine = photos @ photos[seed]
        members = np.flatnonzero((cosine >= LOOKS_ALIKE) & is_free)
        # Itself first, whatever rounding makes of its cosine.
        cosine[seed] = 2
        members = members[np.argsort(-cosine[members], kind="stable")][:MAX_PHOTOS]
        is_seed[seed] = False
        if len(members) < 2:
            continue
        is_free[members] = is_seed[members] = False
        similar = np.maximum(similar, cosine)
        groups.append(_named(members, judgement, bool(nearest[members].mean() >= FAR)))
    return groups


def _neighbours(photos: Floats) -> tuple[Floats, Floats]:
    """Return the mean cosine [N] of each photo with its nearest others, and with the nearest."""
    count = min(_NEIGHBOURS, len(photos) - 1)
    photos = _along_fewer_axes(photos)
    closeness, best = np.empty((2, len(photos)), np.float32)
    for start in range(0, len(photos), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(photos)))
        cosine = photos[rows] @ photos.T
        cosine[rows - start, rows] = -1  # itself
        nearest = np.partition(cosine, -count, axis=1)[:, -count:]
        closeness[rows], best[rows] = nearest.mean(axis=1), nearest.max(axis=1)
    return closeness, best


def _along_fewer_axes(photos: Floats) -> Floats:
    """Return coordinates along the axes in which photos [N, D] differ most, if they are many."""
    if len(photos) <= _MANY or photos.shape[1] <= _AXES:
        return photos
    sample = photos[np.random.default_rng(0).choice(len(photos), _SAMPLE, replace=False)]
    squares, mixed = np.linalg.eigh(sample @ sample.T)
    squares, mixed = squares[-_AXES:], mixed[:, -_AXES:]
    axes = sample.T @ (mixed / np.sqrt(np.maximum(squares, np.float32(1e-6))))
    coordinates: Floats = photos @ axes
    return coordinates


def _named(members: Integers, judgement: Judgement, is_near: bool) -> Group:
    """Return a group with the class that its photos show on average, if that is clear.

    `is_near` says whether they look like any that have labels.
    """
    indices = tuple(members.tolist())
    if judgement.classes:
        mean = judgement.probabilities[members].mean(axis=0)
        best = int(mean.argmax())
        if mean[best] >= CLEAR and (is_near or judgement.labels[best] == 0):
            return Group(indices, judgement.classes[best], float(mean[best]))
    return Group(indices, "", 0.0)
