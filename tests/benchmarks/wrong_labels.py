"""How many wrong labels are found among those that Servery doubts most.

    python -m tests.benchmarks.wrong_labels --data FOLDER [--photos 1000] [--wrong 0.05]

FOLDER is as in `queue`; both parts are used. A share of the labels is changed to another class,
and the share of these is printed that is in the first tenth of all photos, the most doubted first.
If `cleanlab` is installed, its ranking by self-confidence and by normalized margin is beside it,
from the same cross-validated probabilities, and from those of scikit-learn's logistic regression.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from backend.labelling.doubts import doubts
from backend.training.evaluation import cross_validated
from backend.training.features import Integers, Rows
from backend.training.head import Floats, Head
from backend.training.regression import Problem
from tests.benchmarks.embedded_folder import add_arguments, embedded

SHARE = 0.1
"""Of all photos that a person looks at."""


def own_probabilities(points: Floats, labels: Integers, classes: tuple[str, ...]) -> Floats:
    """Return what heads of the product say [N, C] that did not learn from the photo."""
    nothing = Head(np.zeros((2 * points.shape[1], 0), np.float32), np.zeros(0, np.float32), ())
    images = tuple(f"{index:064x}" for index in range(len(points)))
    rows = Rows(points, tuple(classes[label] for label in labels), images)
    problem = Problem(nothing, rows, points.mean(axis=0))
    found = cross_validated(problem, rows, lambda number, count: None)
    order = [found.classes.index(name) for name in classes]
    return found.probabilities[:, order].astype(np.float32)


def plain_probabilities(points: Floats, labels: Integers) -> Floats:
    """Return the same from scikit-learn."""
    found = np.zeros((len(labels), int(labels.max()) + 1), np.float32)
    for learn, check in StratifiedKFold(5, shuffle=True, random_state=0).split(points, labels):
        regression = LogisticRegression(C=10, max_iter=200, tol=1e-3)
        found[check] = regression.fit(points[learn], labels[learn]).predict_proba(points[check])
    return found


def share_found(suspicion: Floats, is_wrong: Integers) -> float:
    """Return the share of wrong labels in the first tenth of the photos."""
    first = np.argsort(-suspicion, kind="stable")[: round(SHARE * len(suspicion))]
    return float(is_wrong[first].sum() / is_wrong.sum())


def measure(
    points: Floats, truth: Integers, classes: tuple[str, ...], wrong: float, seed: int
) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    changed = rng.choice(len(truth), round(wrong * len(truth)), replace=False)
    is_wrong = np.zeros(len(truth), np.int64)
    is_wrong[changed] = 1
    labels = truth.copy()
    labels[changed] += rng.integers(1, len(classes), len(changed))
    labels %= len(classes)
    own = own_probabilities(points, labels, classes)
    found = {"Servery": share_found(doubts(points, labels, own).doubt, is_wrong)}
    if importlib.util.find_spec("cleanlab") is not None:
        rank = importlib.import_module("cleanlab.rank")
        for name, probabilities in (
            ("Servery's", own.astype(np.float64)),
            ("scikit-learn's", plain_probabilities(points, labels).astype(np.float64)),
        ):
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            for method in ("self_confidence", "normalized_margin"):
                scores = rank.get_label_quality_scores(labels, probabilities, method=method)
                title = f"cleanlab, {method}, {name} probabilities"
                found[title] = share_found(-scores, is_wrong)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Find wrong labels that were planted.")
    add_arguments(parser)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--wrong", type=float, default=0.05, help="share of labels")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    learn, test = embedded(arguments)
    points = np.concatenate([learn.embeddings, test.embeddings])
    truth = np.concatenate([learn.truth, test.truth])
    kept = np.random.default_rng(0).permutation(len(points))[: arguments.photos]
    runs = [
        measure(points[kept], truth[kept], learn.classes, arguments.wrong, seed)
        for seed in range(arguments.seeds)
    ]
    print(f"{len(kept):,} photos, {arguments.wrong:.0%} of the labels wrong; in the first tenth:")
    for name in runs[0]:
        shares = [100 * run[name] for run in runs]
        print(f"{name:60}{np.mean(shares):6.1f}%  ({min(shares):.0f} to {max(shares):.0f})")


if __name__ == "__main__":
    main()
