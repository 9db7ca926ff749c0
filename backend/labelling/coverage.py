"""Chooses photos that stand for many others: greedy facility location.

A photo covers another as far as the two look alike; a set covers a photo as well as the best
of the set does. Each photo that is chosen adds the most to what is covered of all. Since what
a photo adds only shrinks as others are chosen, few have to be looked at again each time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from backend.training.head import Floats, unit

SHARPNESS = 3
"""Power of the cosine: the larger, the nearer a photo must be to count as covered."""
LOOKS_ALIKE = np.float32(0.5)
"""Cosine of centred embeddings from which people would say that two photos look alike: of
TrashNet's pairs above it 94% show one class."""
FAR = np.float32(0.35)
"""Cosine with the nearest labelled photo below which a photo is of a kind that has no label."""
MAX_TARGETS = 3_000
"""Photos that are covered; of more, a sample stands for all."""
_BLOCK = 1_024


def centred(points: Floats, *others: Floats) -> tuple[Floats, ...]:
    """Return rows [., D] moved by the mean of all of them, and scaled to length 1.

    What all photos have in common would otherwise make them all look alike.
    """
    mean = np.concatenate([points, *others]).mean(axis=0)
    return tuple(unit(rows - mean) for rows in (points, *others))


def target_rows(count: int) -> npt.NDArray[np.int64]:
    """Return indices of a fixed sample of `count` photos, or of all if they are few."""
    if count <= MAX_TARGETS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MAX_TARGETS, replace=False))


def affinity(points: Floats, targets: Floats) -> Floats:
    """Return how well each of N `points` covers each of M `targets`: [N, M], 0 to 1."""
    made = np.empty((len(points), len(targets)), np.float32)
    for start in range(0, len(points), _BLOCK):
        block = made[start : start + _BLOCK]
        np.matmul(points[start : start + _BLOCK], targets.T, out=block)
        np.maximum(block, 0, out=block)
        np.power(block, SHARPNESS, out=block)
    return made


def choose(
    affinities: Floats,
    weights: Floats,
    covered: Floats,
    is_open: npt.NDArray[np.bool_],
    on_chosen: Callable[[int], None],
) -> Iterator[int]:
    """Yield the indices of photos, each the one that adds most to those before it.

    `affinities` are [N, M], `weights` and `covered` (so far, 0 to 1) are [M]. Only photos
    whose flag in `is_open` [N] is set are chosen, each once; `on_chosen` may close more.
    """
    covered = covered.copy()
    gains = np.empty(len(affinities), np.float32)
    for start in range(0, len(affinities), _BLOCK):
        block = affinities[start : start + _BLOCK]
        gains[start : start + _BLOCK] = np.maximum(block - covered, 0) @ weights
    waiting = [(-float(gains[index]), int(index)) for index in np.flatnonzero(is_open)]
    heapq.heapify(waiting)
    while waiting:
        _, index = heapq.heappop(waiting)
        if not is_open[index]:
            continue
        gain = float(np.maximum(affinities[index] - covered, 0) @ weights)
        if waiting and -gain > waiting[0][0]:
            heapq.heappush(waiting, (-gain, index))
            continue
        np.maximum(covered, affinities[index], out=covered)
        is_open[index] = False
        on_chosen(index)
        yield index


def nearest_cosine(points: Floats, others: Floats) -> npt.NDArray[np.float32]:
    """Return the largest cosine [N] of each point with any of `others`; -1 without any."""
    nearest = np.full(len(points), -1, np.float32)
    for start in range(0, len(others), _BLOCK):
        np.maximum(nearest, (points @ others[start : start + _BLOCK].T).max(axis=1), out=nearest)
    return nearest
