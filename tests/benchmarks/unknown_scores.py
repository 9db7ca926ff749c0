"""What could tell photos of classes that nobody taught, beside what versions of Servery compute.

    python -m tests.benchmarks.unknown_scores --data FOLDER [--labels N]

Classes are left out in turn as `unknown` does. Printed for each score are AUROC, and the share of
photos of classes left out that it would mark with a threshold that marks 5% of the known test
photos, best first. Prototypes are those of the thousand classes of the built-in network: a
background that no photo has to be kept for.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backend.training.features import Integers, Rows
from backend.training.head import Floats, Head, ServableGraph, softmax, unit
from backend.training.prototypes import prototypes, read_embedding_mean
from backend.training.regression import Problem
from serving.models.builtin.install import install_built_in
from serving.models.familiarity import log_odds
from serving.models.repository import ModelRepository
from tests.benchmarks.embedded_folder import Photos, add_arguments, embedded
from tests.benchmarks.unknown import SEEDS, Scorer, chosen, separation

SHRINKAGES = (0.1, 0.6)
FOLDS = 5
SCORE_WEIGHT = 0.5
FEW_LABELS = 10.0
"""The last two are those of `backend/training/familiarity.py`."""


class Metric(NamedTuple):
    """Squared distances `even * |d|^2 - |d @ directions|^2`: a shrunk covariance, inverted."""

    even: float
    directions: Floats

    @classmethod
    def of(cls, centred: Floats, shrinkage: float) -> Metric:
        _, values, rows = np.linalg.svd(centred, full_matrices=False)
        kept = values > values[0] * 1e-3
        variances = np.square(values[kept]) / max(len(centred) - 1, 1)
        even = shrinkage * variances.sum() / centred.shape[1]
        along = (1 - shrinkage) * variances + even
        return cls(1 / float(even), rows[kept].T * np.sqrt(1 / even - 1 / along))

    def products(self, these: Floats, those: Floats) -> Floats:
        along = (these @ self.directions) @ (those @ self.directions).T
        return np.asarray(self.even * these @ those.T - along)

    def lengths(self, points: Floats) -> Floats:
        """Return the squared length [N] of each point."""
        along = np.square(points @ self.directions).sum(axis=1)
        return np.asarray(self.even * np.square(points).sum(axis=1) - along)

    def distances(self, these: Floats, those: Floats) -> Floats:
        both = self.lengths(these)[:, None] + self.lengths(those)
        return np.asarray(both - 2 * self.products(these, those))

    def cosines(self, these: Floats, those: Floats) -> Floats:
        lengths = np.sqrt(np.outer(self.lengths(these), self.lengths(those)))
        return np.asarray(self.products(these, those) / lengths)


class Background:
    """The built-in network's own classes."""

    def __init__(self, backbone: str) -> None:
        with tempfile.TemporaryDirectory(prefix="servery-unknown-") as folder:
            version = install_built_in(ModelRepository(Path(folder)), backbone)
            self.head = ServableGraph(version.path).head()
            size = len(self.head.kernel) // 2
            self.mean = read_embedding_mean(version.path, np.zeros((1, size), np.float32))
        self.points = unit(prototypes(self.head, self.mean).embeddings)
        typical = self.points[: len(self.head.classes)]
        self.centre = typical.mean(axis=0)
        self.metrics = {each: Metric.of(typical - self.centre, each) for each in SHRINKAGES}

    def scores(self, photos: Photos) -> Floats:
        return softmax(self.head.logits(photos.raw))


def nearest(similarities: Floats, count: int) -> Floats:
    """Return the mean of the largest `count` of each row."""
    return np.asarray(np.sort(similarities, axis=1)[:, -count:].mean(axis=1))


def of_others(similarities: Floats) -> Floats:
    """Return the mean of the largest three of each row, without its diagonal."""
    np.fill_diagonal(similarities, -np.inf)
    return nearest(similarities, 3)


def spread(values: Floats) -> float:
    median, low = np.quantile(values, (0.5, 0.1))
    return max(float(median - low), 1e-9)


def class_means(points: Floats, truth: Integers) -> tuple[Floats, Floats]:
    """Return the mean [C, D] of each class, and the points without that of theirs."""
    present, places = np.unique(truth, return_inverse=True)
    means = np.stack([points[places == place].mean(axis=0) for place in range(len(present))])
    return means, points - means[places]


def held_out_distances(points: Floats, truth: Integers) -> Floats:
    """Return the Mahalanobis distance [N] of each point to classes learned without it."""
    found = np.zeros(len(points), np.float32)
    folds = np.arange(len(points)) % FOLDS
    for fold in range(FOLDS):
        out = folds == fold
        means, apart = class_means(points[~out], truth[~out])
        found[out] = Metric.of(apart, SHRINKAGES[0]).distances(points[out], means).min(axis=1)
    return found


def scorers(train: Photos, background: Background) -> dict[str, Scorer]:
    """Return everything that is compared."""
    points = train.embeddings
    means, apart = class_means(points, train.truth)
    centre = points.mean(axis=0)
    names = tuple(map(str, train.truth.tolist()))
    rows = Rows(train.raw, names, tuple(f"{number:064}" for number in range(len(train))))
    size = points.shape[1]
    nothing = Head(np.zeros((2 * size, 0), np.float32), np.zeros(0, np.float32), ())
    head = Problem(nothing, rows, background.mean).fit(np.arange(len(rows)))

    def logits(photos: Photos) -> Floats:
        return np.asarray(head.logits(photos.raw), np.float64)

    def energy(photos: Photos) -> Floats:
        found = logits(photos)
        largest = found.max(axis=1)
        return np.asarray(largest + np.log(np.exp(found - largest[:, None]).sum(axis=1)))

    def best_score(photos: Photos) -> Floats:
        return np.asarray(softmax(head.logits(photos.raw)).max(axis=1))

    def nearest_three(photos: Photos) -> Floats:
        return nearest(photos.embeddings @ points.T, 3)

    def to_prototypes(photos: Photos) -> Floats:
        return nearest(photos.embeddings @ background.points.T, 3)

    _, _, axes = np.linalg.svd(points - centre, full_matrices=False)
    inside = axes[:64].T

    def residual(photos: Photos) -> Floats:
        moved = photos.embeddings - centre
        return np.asarray(np.linalg.norm(moved - moved @ inside @ inside.T, axis=1))

    per_residual = float(logits(train).max(axis=1).mean()) / max(
        float(residual(train).mean()), 1e-9
    )
    own = np.sqrt(background.scores(train))

    def known_scores(photos: Photos) -> Floats:
        return nearest(np.sqrt(background.scores(photos)) @ own.T, 3)

    found: dict[str, Scorer] = {
        "best score": best_score,
        "largest logit": lambda photos: logits(photos).max(axis=1),
        "energy": energy,
        "distance from 64 principal axes": lambda photos: -residual(photos),
        "ViM": lambda photos: energy(photos) - per_residual * residual(photos),
        "cosine to class mean": lambda photos: (photos.embeddings @ unit(means).T).max(axis=1),
        "scores of the thousand classes, nearest three": known_scores,
        "nearest three, less those of prototypes": lambda photos: (
            nearest_three(photos) - to_prototypes(photos)
        ),
    }

    def of_nearest(count: int) -> Scorer:
        return lambda photos: nearest(photos.embeddings @ points.T, count)

    def of_metrics(each: float) -> dict[str, Scorer]:
        within, of_all = Metric.of(apart, each), Metric.of(points - centre, each)
        whole, middle = background.metrics[each], background.centre

        def away(photos: Photos) -> Floats:
            return np.asarray(within.distances(photos.embeddings, means).min(axis=1))

        return {
            f"Mahalanobis distance, shrunk by {each}": lambda photos: -away(photos),
            f"relative Mahalanobis distance, {each}": lambda photos: (
                of_all.distances(photos.embeddings, centre[None])[:, 0] - away(photos)
            ),
            f"the same, relative to prototypes, {each}": lambda photos: (
                whole.lengths(photos.embeddings - middle) - away(photos)
            ),
            f"nearest three, within-class metric, {each}": lambda photos: nearest(
                -np.sqrt(np.maximum(within.distances(photos.embeddings, points), 0)), 3
            ),
            f"nearest three, whitened by prototypes, {each}": lambda photos: nearest(
                whole.cosines(photos.embeddings - middle, points - middle), 3
            ),
        }

    for count in (1, 2, 3, 5, 10):
        found[f"nearest, {count}"] = of_nearest(count)
    for each in SHRINKAGES:
        found |= of_metrics(each)
    labels = len(points) / len(means)
    odds_weight = SCORE_WEIGHT * labels / (labels + FEW_LABELS)
    mahalanobis = found[f"Mahalanobis distance, shrunk by {SHRINKAGES[0]}"]
    parts: dict[str, tuple[Scorer, float]] = {
        "Mahalanobis": (mahalanobis, 1 / spread(-held_out_distances(points, train.truth))),
        "log-odds": (
            lambda photos: log_odds(best_score(photos)),
            odds_weight / spread(log_odds(best_score(train))),
        ),
        "nearest three": (nearest_three, 1 / spread(of_others(points @ points.T))),
        "less prototypes": (
            lambda photos: nearest_three(photos) - to_prototypes(photos),
            1 / spread(of_others(points @ points.T) - to_prototypes(train)),
        ),
        "thousand scores": (known_scores, 1 / spread(of_others(own @ own.T))),
    }

    def total(names: tuple[str, ...]) -> Scorer:
        return lambda photos: np.sum([parts[name][1] * parts[name][0](photos) for name in names], 0)

    for added in (
        ("Mahalanobis", "log-odds"),
        ("nearest three", "log-odds"),
        ("Mahalanobis", "nearest three", "log-odds"),
        ("Mahalanobis", "less prototypes", "log-odds"),
        ("Mahalanobis", "nearest three", "log-odds", "thousand scores"),
    ):
        found["sum: " + ", ".join(added)] = total(added)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_arguments(parser)
    parser.add_argument("--labels", type=int, action="append", help="a class; default: 20, and all")
    arguments = parser.parse_args()
    train, test = embedded(arguments)
    background = Background(arguments.backbone)
    numbers = list(range(len(train.classes)))
    for labels in arguments.labels or [20, int(np.bincount(train.truth).max())]:
        for count in sorted({2, len(numbers) // 2}):
            told: dict[str, list[tuple[float, float]]] = {}
            for seed in range(SEEDS):
                row, place = divmod(seed, len(numbers) // count)
                order = np.random.default_rng(row).permutation(numbers)
                known = sorted(order[place * count : (place + 1) * count].tolist())
                photos = chosen(train, known, labels, np.random.default_rng(seed))
                seen = test.part(np.flatnonzero(np.isin(test.truth, known)))
                unseen = test.part(np.flatnonzero(~np.isin(test.truth, known)))
                for name, scorer in scorers(photos, background).items():
                    told.setdefault(name, []).append(separation(scorer(seen), scorer(unseen)))
            print(f"\n{count} of {len(numbers)} classes taught, up to {labels} labels a class")
            means = {name: np.mean(pairs, axis=0) for name, pairs in told.items()}
            for name, (area, share) in sorted(means.items(), key=lambda item: -item[1][0]):
                print(f"  {name:<52} AUROC {area:.3f}, marked {share:5.1%}")


if __name__ == "__main__":
    main()
