"""Places photos on a map so that those that look alike are near each other: t-SNE.

The forces between all photos are read off a grid, as in FIt-SNE (Linderman et al. 2019), and each
photo is drawn to its nearest ones with equal weights (Böhm et al. 2022), so that NumPy alone is
fast enough. Imports NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from desktop.classify.likeness.embedding_file import Floats, Integers

NEIGHBOURS = 15
_FEW = 20
"""Fewer photos are placed by the two directions in which they differ most."""
_BLOCK = 256
"""Photos that are compared with all others at once: 10 MB of cosines among 10,000."""
_TOGETHER, _APART = 40, 110
"""Steps in which photos are drawn to their neighbours more strongly, and as they are."""
_EXAGGERATION = 12.0
_MAX_GRID = 128
"""Cells of the grid on a side."""
_MIN_CELL = 0.4
"""The force of a photo reaches 1; smaller cells are not more exact."""

Spectrum = npt.NDArray[np.complexfloating]
OnStep = Callable[[float, Floats], bool]
"""Gets the share that is done, 0 to 1, and the places [N, 2] so far; False stops it there."""


def project(forms: Floats, on_step: OnStep) -> Floats:
    """Return places [N, 2], 0 to 1 in both directions, of embeddings [N, D] of length 1.

    Always the same ones for the same photos. With 10,000 photos it takes seconds, in pieces of
    some milliseconds.
    """
    number = len(forms)
    places = _principal_plane(forms)
    if number < _FEW:
        on_step(1.0, _fitted(places))
        return _fitted(places)
    # Of few photos, not most: all would be drawn to all.
    neighbours = nearest_neighbours(forms, min(NEIGHBOURS, (number - 1) // 3))
    places *= 1e-2 / max(float(places[:, 0].std()), 1e-9)
    speed = np.zeros_like(places)
    gains = np.ones_like(places)
    rate = max(number / _EXAGGERATION, 2.0)
    steps = _TOGETHER + _APART
    for step in range(steps):
        together = step < _TOGETHER
        attraction = _attraction(places, neighbours)
        force = (_EXAGGERATION if together else 1.0) * attraction - _repulsion(places)
        # As van der Maaten's: faster where the direction stays, slower where it turns.
        gains = np.where(np.sign(force) != np.sign(speed), gains + 0.2, gains * 0.8)
        np.maximum(gains, 0.01, out=gains)
        speed = (0.5 if together else 0.8) * speed - 4 * rate * gains * force
        places = places + speed
        places -= places.mean(axis=0)
        if not on_step((step + 1) / steps, _fitted(places)):
            break
    return _fitted(places)


def nearest_neighbours(forms: Floats, count: int) -> Integers:
    """Return the rows [N, count] of the most similar others of each of embeddings [N, D]."""
    found = np.empty((len(forms), count), np.int64)
    for start in range(0, len(forms), _BLOCK):
        cosines = forms[start : start + _BLOCK] @ forms.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -2
        found[start : start + _BLOCK] = np.argpartition(cosines, -count, axis=1)[:, -count:]
    return found


def _principal_plane(forms: Floats) -> Floats:
    """Return forms [N, D] in the two directions [N, 2] in which they differ the most."""
    centered = forms - forms.mean(axis=0)
    _, directions = np.linalg.eigh(centered.T @ centered)
    plane = directions[:, ::-1][:, :2]
    if plane.shape[1] < 2:
        plane = np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))
    # A direction is as good as its opposite; the largest part says which is meant.
    signs = np.sign(plane[np.abs(plane).argmax(axis=0), np.arange(2)])
    places: Floats = (centered @ (plane * np.where(signs == 0, 1, signs))).astype(np.float32)
    return places


def _attraction(places: Floats, neighbours: Integers) -> Floats:
    """Return the sums [N, 2] of what draws photos to their neighbours [N, K], and back."""
    number, count = neighbours.shape
    targets = neighbours.ravel()
    # An axis at a time: its numbers lie one after the other, which NumPy adds four times as fast.
    axes = [np.ascontiguousarray(places[:, axis]) for axis in range(2)]
    apart = [at[:, None] - at.take(neighbours) for at in axes]
    weight = apart[0] ** 2
    weight += apart[1] ** 2
    weight += 1
    np.reciprocal(weight, out=weight)
    force = np.empty_like(places)
    for axis, pull in enumerate(apart):
        pull *= weight
        force[:, axis] = pull.sum(axis=1) - np.bincount(targets, pull.ravel(), number)
    force /= 2 * number * count
    return force


def _repulsion(places: Floats) -> Floats:
    """Return what keeps each photo from all others [N, 2]: the masses of all on a grid, spread by
    the kernel of t-SNE, read at each photo."""
    low = places.min(axis=0)
    extent = float((places.max(axis=0) - low).max())
    side = int(np.clip(np.ceil(extent / _MIN_CELL), 16, _MAX_GRID))
    # One of few sizes, whose kernels are kept: they take as long to make as all the rest.
    cell = float(1.03 ** np.ceil(np.log(max(extent / (side - 2), 1e-3)) / np.log(1.03)))
    at = (places - low) / cell
    corner = np.minimum(at.astype(np.int64), side - 2)
    right = (at - corner).astype(np.float32)
    weights = np.stack([1 - right, right])
    corners = [
        ((corner[:, 0] + dx) * side + corner[:, 1] + dy, weights[dx, :, 0] * weights[dy, :, 1])
        for dx in (0, 1)
        for dy in (0, 1)
    ]
    mass = np.zeros(side * side)
    for cells, weight in corners:
        mass += np.bincount(cells, weight, side * side)
    spectrum = np.fft.rfft2(mass.reshape(side, side).astype(np.float32), (2 * side, 2 * side))
    near, push = _kernels(side, cell)

    def spread(kernel: Spectrum) -> Floats:
        field = np.fft.irfft2(spectrum * kernel, (2 * side, 2 * side))[:side, :side].ravel()
        read = np.zeros(len(places), np.float32)
        for cells, weight in corners:
            read += weight * field.take(cells)
        return read

    total = max(float(spread(near).sum()) - len(places), 1e-9)
    down, across = push
    return np.stack([spread(down), spread(across)], axis=1) / np.float32(total)


@lru_cache(maxsize=4)
def _kernels(side: int, cell: float) -> tuple[Spectrum, tuple[Spectrum, Spectrum]]:
    """Return the spectra of the kernel of t-SNE, and of its force in both directions, on a grid
    of twice the `side`, so that what leaves it at one end does not come back at the other."""
    distance = np.minimum(np.arange(2 * side), 2 * side - np.arange(2 * side)) * cell
    offset = np.where(np.arange(2 * side) < side, 1, -1) * distance
    near = 1 / (1 + distance[:, None] ** 2 + distance[None] ** 2)
    push = offset[:, None] * near**2
    near, push = near.astype(np.float32), push.astype(np.float32)
    return np.fft.rfft2(near), (np.fft.rfft2(push), np.fft.rfft2(push.T))


def _fitted(places: Floats) -> Floats:
    """Return places moved and scaled, in proportion, into the square from 0 to 1."""
    low, high = places.min(axis=0), places.max(axis=0)
    extent = max(float((high - low).max()), 1e-9)
    fitted: Floats = ((places - (low + high) / 2) / extent + 0.5).astype(np.float32)
    return fitted
