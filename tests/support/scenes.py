"""Made-up embeddings of photos: classes that lie apart, and photos that scatter around them."""

from __future__ import annotations

import numpy as np

from backend.labelling.judgement import Judgement, judge
from backend.training.features import Integers, Rows
from backend.training.head import Floats, Head, unit

SIZE = 64


def scatter(counts: list[int], *, spread: float = 0.13, seed: int = 0) -> tuple[Floats, Integers]:
    """Return points [N, SIZE] of length 1, `counts` of each class, and their classes [N]."""
    rng = np.random.default_rng(seed)
    middles = unit(rng.normal(size=(len(counts), SIZE)).astype(np.float32))
    truth = np.repeat(np.arange(len(counts)), counts)
    noise = spread * rng.normal(size=(len(truth), SIZE))
    return unit((middles[truth] + noise).astype(np.float32)), truth


def judged(points: Floats, taken: list[int], truth: Integers) -> Judgement:
    """Return what is known of all `points` after those at `taken` were labelled."""
    names = tuple(f"class {truth[index]}" for index in taken)
    rows = Rows(points[taken], names, tuple(f"{index:064x}" for index in taken))
    nothing = Head(np.zeros((2 * SIZE, 0), np.float32), np.zeros(0, np.float32), ())
    return judge(nothing, points.mean(axis=0), rows, points)
