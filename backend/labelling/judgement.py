"""What the labels of this moment say about photos without one.

Nobody has to wait for a training run: a head is fitted to the labels whenever it is needed,
by the same regression.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from backend.training.features import Integers, Rows
from backend.training.head import Floats, Head, softmax
from backend.training.regression import Problem, sorted_rows


@dataclass(frozen=True)
class Judgement:
    """C classes and their probabilities for N photos."""

    classes: tuple[str, ...]
    labels: Integers
    """[C]: labels of each class."""
    probabilities: Floats
    """[N, C]; without columns while fewer than two classes are known."""

    def best(self, row: int, count: int) -> list[tuple[str, float]]:
        """Return the `count` most probable classes of a photo, and their probabilities."""
        scores = self.probabilities[row]
        order = np.argsort(-scores, kind="stable")[:count]
        return [(self.classes[index], float(scores[index])) for index in order]


def judge(foundation: Head, mean: Floats, labelled: Rows, photos: Floats) -> Judgement:
    """Return what a head says about `photos`, embeddings [N, D], that learned from `labelled`.

    `foundation` is the head before anyone taught it, `mean` the mean embedding [D] of all photos.
    """
    classes = foundation.classes
    if len(labelled):
        problem = Problem(foundation, sorted_rows(labelled), mean)
        classes = problem.classes
    if len(classes) < 2 or not len(photos):
        empty = np.zeros((len(photos), 0), np.float32)
        return Judgement((), np.zeros(0, np.int64), empty)
    head = problem.fit(np.arange(len(labelled))) if len(labelled) else foundation
    counts = Counter(labelled.classes)
    labels = np.array([counts[name] for name in classes], np.int64)
    return Judgement(classes, labels, softmax(head.logits(photos)))
