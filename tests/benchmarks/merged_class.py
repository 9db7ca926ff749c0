"""What merging two classes without training costs, beside the exact answer and training again.

`python -m tests.benchmarks.merged_class --data FOLDER`: for every pair of classes of a folder of
photos, the accuracy of a version that was taught both and then had them merged. The embeddings
of all other photos are known, as those of the pool are.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import defaultdict

import numpy as np
from sklearn.linear_model import LogisticRegression

from backend.training.class_edit import ClassEdit, edited_head
from backend.training.features import Integers
from backend.training.head import Floats, Head, softmax
from tests.benchmarks.embedded_folder import Photos, add_arguments, embedded

LABELS = (5, 20)
"""Of each class."""


def taught(embeddings: Floats, truth: Integers, classes: tuple[str, ...]) -> Head:
    """Return logistic regression on unit embeddings, as a head of ours."""
    fitted = LogisticRegression(C=10, max_iter=1000).fit(embeddings, truth)
    weights = fitted.coef_.T.astype(np.float32)
    kernel = np.concatenate([np.zeros_like(weights), weights])
    return Head(kernel, fitted.intercept_.astype(np.float32), classes)


def accuracies(learn: Photos, test: Photos, labels: int, seed: int) -> dict[str, list[float]]:
    """Return the accuracy of each way to merge, for every pair of classes."""
    random = np.random.default_rng(seed)
    chosen = np.concatenate(
        [
            random.permutation(np.flatnonzero(learn.truth == number))[:labels]
            for number in range(len(learn.classes))
        ]
    )
    head = taught(learn.embeddings[chosen], learn.truth[chosen], learn.classes)
    found: dict[str, list[float]] = defaultdict(list)
    for gone, into in itertools.combinations(range(len(learn.classes)), 2):
        edit = ClassEdit(learn.classes[gone], learn.classes[into])
        truth = np.where(test.truth == gone, into, test.truth)
        scores = softmax(head.logits(test.embeddings))
        scores[:, into] += scores[:, gone]
        scores[:, gone] = 0
        exact = scores.argmax(axis=1)
        found["the sum of both scores"].append(float((exact == truth).mean()))
        for name, known in (
            ("merged, by known photos", learn.embeddings),
            ("merged, with none known", None),
        ):
            began = time.perf_counter()
            merged = edited_head(head, edit, frozenset(), known)
            found[f"{name}: seconds"].append(time.perf_counter() - began)
            names = [learn.classes.index(each) for each in merged.classes]
            answers = np.array(names)[merged.logits(test.embeddings).argmax(axis=1)]
            found[name].append(float((answers == truth).mean()))
            found[f"{name}: same answer as the sum"].append(float((answers == exact).mean()))
        again = np.where(learn.truth[chosen] == gone, into, learn.truth[chosen])
        kept = tuple(name for number, name in enumerate(learn.classes) if number != gone)
        numbers = np.array([number for number in range(len(learn.classes)) if number != gone])
        retrained = taught(learn.embeddings[chosen], again, kept)
        answers = numbers[retrained.logits(test.embeddings).argmax(axis=1)]
        found["trained again"].append(float((answers == truth).mean()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    learn, test = embedded(arguments)
    for labels in LABELS:
        total: dict[str, list[float]] = defaultdict(list)
        for seed in range(arguments.seeds):
            for name, values in accuracies(learn, test, labels, seed).items():
                total[name] += values
        print(f"{labels} labels a class, {len(test)} test photos")
        for name, values in total.items():
            shown = np.mean(values) if "seconds" in name else 100 * np.mean(values)
            print(f"  {name:50} {shown:6.2f}")


if __name__ == "__main__":
    main()
