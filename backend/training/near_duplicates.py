"""Which photos show nearly the same: shots of one burst, copies, resized or cropped files.

Such photos must not stand on both sides of a cross-validation, and labelling a second one
teaches next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from backend.training.features import Integers
from backend.training.head import Floats, unit
from serving.near_duplicate import NEAR_DUPLICATE

_BLOCK = 1024
"""Rows that are compared at once: their products with 10,000 others take 40 MB."""


def group_near_duplicates(embeddings: Floats) -> Integers:
    """Return a group number [N] for embeddings [N, D], of any length.

    Photos are in one group if a chain of near-duplicates links them. Groups are numbered in
    the order of their first photos; which photos are together does not depend on the order.
    """
    group = np.arange(len(embeddings))
    for start, similar in _similar_to_earlier(unit(embeddings)):
        for row in np.flatnonzero(similar.any(axis=1)):
            member = start + int(row)
            linked = np.unique(group[np.flatnonzero(similar[row])])
            if len(linked) > 1:
                group[np.isin(group[:member], linked).nonzero()[0]] = linked[0]
            group[member] = linked[0]
    return np.unique(group, return_inverse=True)[1]


def _similar_to_earlier(points: Floats) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """Yield for each block of rows where it starts, and [rows, rows up to its end] whether a row
    is a near-duplicate of one that comes before it."""
    for start in range(0, len(points), _BLOCK):
        end = min(start + _BLOCK, len(points))
        similar = points[start:end] @ points[:end].T >= NEAR_DUPLICATE
        yield start, np.tril(similar, start - 1)
