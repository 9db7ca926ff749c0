"""How much the labels of the queue teach, beside labels of photos chosen at random.

    python -m tests.benchmarks.queue --data FOLDER [--order random,queue,kmeans]

FOLDER has a folder of photos for each class, or such folders in `train` and `test`. Its photos
to learn from are the pool. An oracle labels what the order asks for, a few photos at a time, and
scikit-learn's logistic regression (C = 10) learns from the labels. Printed is the accuracy on the
test part; each of five seeds leaves out another fifth of the pool. `kmeans` is the most typical
photo of each k-means cluster up to two labels a class, then the centres of clusters among the six
times as many photos with the smallest margin.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from backend.labelling.coverage import centred
from backend.labelling.judgement import judge
from backend.labelling.queue_order import Known, margins, queue_order
from backend.training.features import Integers, Rows
from backend.training.head import Floats, Head
from tests.benchmarks.embedded_folder import Photos, add_arguments, embedded

AT_ONCE = 10
"""Labels after which the order is asked for again, as the window does."""
LABELS = "20,40,60,100,200"
SHARE = 0.8
"""Of the pool that each seed has."""

Order = Callable[[Photos, list[int], int, np.random.Generator], list[int]]
"""Returns the next photos, given the pool, those labelled so far, and how many are needed."""


def random_order(pool: Photos, taken: list[int], count: int, rng: np.random.Generator) -> list[int]:
    return [int(i) for i in rng.permutation(np.setdiff1d(np.arange(len(pool)), taken))[:count]]


def queue(pool: Photos, taken: list[int], count: int, rng: np.random.Generator) -> list[int]:
    rest = np.setdiff1d(np.arange(len(pool)), taken)
    labelled = pool.embeddings[taken]
    names = tuple(pool.classes[pool.truth[index]] for index in taken)
    rows = Rows(labelled, names, tuple(f"{index:09}" for index in taken))
    size = pool.embeddings.shape[1]
    nothing = Head(np.zeros((2 * size, 0), np.float32), np.zeros(0, np.float32), ())
    judged = judge(nothing, pool.embeddings.mean(axis=0), rows, pool.embeddings[rest])
    known = Known(judged.probabilities, judged.labels)
    picks = queue_order(pool.embeddings[rest], labelled, known, count)
    return [int(rest[pick.index]) for pick in picks]


def kmeans(pool: Photos, taken: list[int], count: int, rng: np.random.Generator) -> list[int]:
    rest = np.setdiff1d(np.arange(len(pool)), taken)
    (points,) = centred(pool.embeddings)
    seed = int(rng.integers(2**31))
    if len(taken) < 2 * max(len(set(pool.truth[taken].tolist())), 5):
        clusters = KMeans(len(taken) + count, n_init=1, random_state=seed).fit_predict(points)
        sizes = np.bincount(clusters)
        covered = set(clusters[taken].tolist())
        order = sorted(range(len(sizes)), key=lambda each: (each in covered, -sizes[each]))
        members = [np.intersect1d(np.flatnonzero(clusters == each), rest) for each in order]
        return [_typical(points, each) for each in members if len(each)][:count]
    regression = fitted(pool, taken)
    margin = margins(regression.predict_proba(pool.embeddings[rest]))
    unclear = rest[np.argsort(margin)[: 6 * count]]
    clusters = KMeans(min(count, len(unclear)), n_init=1, random_state=seed).fit_predict(
        points[unclear]
    )
    chosen = [_typical(points, unclear[clusters == each]) for each in np.unique(clusters)]
    return chosen + [int(i) for i in np.setdiff1d(unclear, chosen)[: count - len(chosen)]]


def _typical(points: Floats, members: Integers) -> int:
    return int(members[(points[members] @ points[members].mean(axis=0)).argmax()])


ORDERS: dict[str, Order] = {"random": random_order, "queue": queue, "kmeans": kmeans}


def fitted(pool: Photos, taken: list[int]) -> LogisticRegression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=10, max_iter=200, tol=1e-3).fit(
            pool.embeddings[taken], pool.truth[taken]
        )


def accuracy(pool: Photos, taken: list[int], test: Photos) -> float:
    if len(set(pool.truth[taken].tolist())) == 1:
        return float((test.truth == pool.truth[taken[0]]).mean())
    return float((fitted(pool, taken).predict(test.embeddings) == test.truth).mean())


def measure(order: Order, photos: Photos, test: Photos, at: list[int], seed: int) -> list[float]:
    """Return the accuracy after each number of labels in `at`."""
    rng = np.random.default_rng(seed)
    kept = np.sort(rng.choice(len(photos), int(SHARE * len(photos)), replace=False))
    pool, taken, found = photos.part(kept), list[int](), list[float]()
    for goal in at:
        while len(taken) < goal:
            taken += order(pool, taken, min(AT_ONCE, goal - len(taken)), rng)
        found.append(accuracy(pool, taken, test))
    return found


def compare(arguments: argparse.Namespace, orders: str, labels: str) -> None:
    """Print the accuracy after `labels` in all, for `orders`; both separated by commas."""
    photos, test = embedded(arguments)
    at = [int(goal) for goal in labels.split(",")]
    at = [goal for goal in at if goal <= SHARE * len(photos)]
    print(f"{len(photos):,} photos, {len(photos.classes)} classes, {len(test):,} to test with")
    print(f"{'labels':10}" + "".join(f"{goal:14}" for goal in at))
    for name in orders.split(","):
        started = time.monotonic()
        runs = [measure(ORDERS[name], photos, test, at, seed) for seed in range(arguments.seeds)]
        seconds = time.monotonic() - started
        mean, spread = 100 * np.mean(runs, axis=0), 100 * np.std(runs, axis=0)
        figures = zip(mean, spread, strict=True)
        print(f"{name:10}" + "".join(f"{a:8.1f} ±{b:3.1f} " for a, b in figures), end="")
        print(f"   ({seconds:.0f} s)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare orders of labelling.")
    add_arguments(parser)
    parser.add_argument("--order", default="random,queue", help=", ".join(ORDERS))
    parser.add_argument("--labels", default=LABELS, help="labels in all")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    compare(arguments, arguments.order, arguments.labels)


if __name__ == "__main__":
    main()
