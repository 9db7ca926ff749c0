"""Which photos look like others: the most similar ones, and stacks of near-duplicates.

Short forms find candidates, whose whole embeddings then decide. Imports NumPy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from desktop.classify.likeness.embedding_file import EmbeddingFile, Floats, Integers
from serving.near_duplicate import NEAR_DUPLICATE

_CANDIDATES = 800
"""Of the most similar short forms, whose whole embeddings are compared: nearly all of the 60 most
similar of 100,000 photos are among them (docs/decisions/likeness.md)."""
_MARGIN = 0.12
"""By how much the cosine of two short forms may be lower than that of the embeddings."""
_COVERS_COMPARED = 8
"""Covers whose short forms are the most similar."""
MAX_STACK = 200
"""Photos in a stack; a further one begins a new stack. A camera that watches a room takes
thousands alike, and each change of a photo looks at its whole stack."""
_SAME = 0.999
"""Cosine from which an embedding is that of the same picture, computed again."""


def nearest(file: EmbeddingFile, row: int, count: int) -> list[tuple[int, float]]:
    """Return the rows of the photos most like that in `row`, itself aside, with their cosines.

    The most similar first; fewer if there are not so many. Rows that no longer count are left
    out.
    """
    short = file.short(np.array([row]))
    cosines = file.products(short)[0]
    number = min(len(cosines), max(_CANDIDATES, 2 * count))
    found = np.argpartition(-cosines, number - 1)[:number]
    candidates = [each for each in found.tolist() if each != row and file.key(each) is not None]
    exact = (file.full(candidates) @ file.full([row])[0]).tolist() if candidates else []
    ranked = sorted(zip(candidates, exact, strict=True), key=lambda pair: -pair[1])
    return ranked[:count]


class StackFinder:
    """Finds the stack of each new photo: that of the most similar cover, if they are
    near-duplicates.

    Compared with covers alone, so that no chain of photos, each like the next, ends in a stack
    of photos that are not alike.
    """

    def __init__(self, file: EmbeddingFile) -> None:
        self._file = file
        self._sizes: Counter[int] = Counter()
        self._is_open = np.zeros(0, np.bool_)
        """Whether a row is a cover whose stack may grow."""
        self._note([file.cover(row) for row in range(len(file))], 0)

    def add(self, keys: Sequence[int], embeddings: Floats) -> None:
        """Add embeddings [N, D] of length 1 with the stacks they belong to; raises OSError.

        Left out are those that the file has already, under the same key.
        """
        file = self._file
        rows = [file.row(key) for key in keys]
        known = [row for row in rows if row is not None]
        before = dict(zip(known, file.full(known), strict=True)) if known else {}
        new = [
            place
            for place, row in enumerate(rows)
            if row is None or float(before[row] @ embeddings[place]) < _SAME
        ]
        if not new:
            return
        first = len(file)
        covers = self._covers(embeddings[new], first)
        file.append([keys[place] for place in new], embeddings[new], covers)
        self._note(covers, first)

    def _covers(self, embeddings: Floats, first: int) -> list[int]:
        """Return the covers of new photos, whose rows begin at `first`."""
        file = self._file
        candidates = self._likely(file.products(file.shorten(embeddings)))
        among = embeddings @ embeddings.T
        sizes: Counter[int] = Counter()
        covers: list[int] = []
        new_covers: list[int] = []
        for place, rows in enumerate(candidates):
            exact = (file.full(rows) @ embeddings[place]).tolist() if len(rows) else []
            likeness = dict(zip(rows.tolist(), exact, strict=True))
            likeness |= {first + each: float(among[place, each]) for each in new_covers}
            alike = [
                (cosine, cover)
                for cover, cosine in likeness.items()
                if cosine >= NEAR_DUPLICATE and self._sizes[cover] + sizes[cover] < MAX_STACK
            ]
            cover = max(alike)[1] if alike else first + place
            if not alike:
                new_covers.append(place)
            sizes[cover] += 1
            covers.append(cover)
        return covers

    def _likely(self, cosines: Floats) -> list[Integers]:
        """Return for each row of cosines [N, rows] the covers that may be near-duplicates."""
        if not cosines.shape[1]:
            return [np.zeros(0, np.int64)] * len(cosines)
        cosines[:, ~self._is_open] = -1
        number = min(_COVERS_COMPARED, cosines.shape[1])
        best = np.argpartition(-cosines, number - 1, axis=1)[:, :number]
        return [
            rows[cosines[place, rows] >= NEAR_DUPLICATE - _MARGIN]
            for place, rows in enumerate(best)
        ]

    def _note(self, covers: Sequence[int], first: int) -> None:
        """Count the stacks of new rows, which begin at `first`."""
        self._sizes.update(covers)
        are_covers = np.array(covers, np.int64) == np.arange(first, first + len(covers))
        self._is_open = np.concatenate([self._is_open, are_covers])
        for cover in set(covers):
            if self._sizes[cover] >= MAX_STACK:
                self._is_open[cover] = False
