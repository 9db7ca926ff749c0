"""How well a version knows what it does not know, and whether its scores mean what they say.

    python -m tests.benchmarks.unknown --data FOLDER [--labels N] [--known FOLDER]

FOLDER has a folder of photos for each class, or such folders in `train` and `test`. Models of
some of its classes are taught as a training run teaches them, the others are left out in turn;
each of five seeds leaves out others. Printed are the shares of test photos that are marked
unsure, of classes that were taught (at most 5% is the aim) and of those left out (at least 85%),
and how well each candidate tells these apart at all: the area under its curve (AUROC), and the
share of unknown photos that it would mark with a threshold that marks exactly 5% of the known
test photos. `labelled unknown` is a regression that learned from photos of the classes left out:
what no method without such photos can be expected to reach.

Then all photos are shown to the built-in model of a thousand classes, as unknown; `--known`
names a folder of photos of its classes. Last comes the expected calibration error of models of
all classes, on the test part.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from backend.training.calibration import error_by_chance, expected_calibration_error
from backend.training.features import Rows
from backend.training.head import Floats, Head, ServableGraph, softmax, unit
from backend.training.label_regression import teach_by_regression
from backend.training.loaded_version import LoadedVersion
from backend.training.trained_head import TrainedHead
from serving.models.builtin.install import install_built_in
from serving.models.familiarity import Familiarity
from serving.models.new_model import create_from_backbone
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.normalize_image import read_normalized_image
from serving.predict.prediction import FAMILIAR
from tests.benchmarks.embedded_folder import Photos, add_arguments, embedded

SEEDS = 5
MARKED = 0.05
"""Share of the known photos that may be marked."""
NONE = (10, 40)
"""How many photos of the classes left out are labelled as none of the taught ones."""
BATCH = 16
_NEAREST = 3
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")

Scorer = Callable[[Photos], Floats]
"""Returns how known each photo looks: [N]."""


def chosen(photos: Photos, classes: list[int], count: int, rng: np.random.Generator) -> Photos:
    """Return up to `count` random photos of each of these classes."""
    indices = [
        index
        for number in classes
        for index in rng.permutation(np.flatnonzero(photos.truth == number))[:count]
    ]
    return photos.part(np.array(indices, np.int64))


def taught(version: Version, photos: Photos, none: Floats) -> TrainedHead:
    """Teach a version without classes as a training run does."""
    names = tuple(photos.classes[number] for number in photos.truth)
    images = tuple(f"{number:064}" for number in range(len(photos)))
    base = ServableGraph(version.path).head()
    rows = Rows(photos.raw, names, images)
    return teach_by_regression(
        version.path, base, rows, frozenset(), photos.raw[:0], lambda *_: None, none
    )


def candidates(learned: TrainedHead, train: Photos, outside: Photos) -> dict[str, Scorer]:
    """Return what could tell known photos from unknown ones; `outside` are known to be unknown."""
    head, familiarity = learned.head, learned.familiarity
    assert familiarity is not None
    assert familiarity.taught is not None
    distance = Familiarity(taught=replace(familiarity.taught, score_weight=0.0))
    means = unit(
        np.stack([train.embeddings[train.truth == each].mean(0) for each in set(train.truth)])
    )
    regression = LogisticRegression(C=10.0, max_iter=500, class_weight="balanced").fit(
        np.concatenate([train.embeddings, outside.embeddings]),
        np.repeat([1, 0], [len(train), len(outside)]),
    )

    def energy(photos: Photos) -> Floats:
        logits = head.logits(photos.raw).astype(np.float64)
        largest = logits.max(axis=1)
        return np.asarray(largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1)))

    def nearest(photos: Photos) -> Floats:
        cosines = np.sort(photos.embeddings @ train.embeddings.T, axis=1)
        return np.asarray(cosines[:, -_NEAREST:].mean(axis=1))

    return {
        "familiarity": lambda photos: familiarity.of(photos.raw, head.logits(photos.raw)),
        "Mahalanobis distance": lambda photos: distance.of(photos.raw, head.logits(photos.raw)),
        "cosine to class mean": lambda photos: (photos.embeddings @ means.T).max(axis=1),
        "nearest three photos": nearest,
        "energy": energy,
        "best score": lambda photos: softmax(head.logits(photos.raw)).max(axis=1),
        "labelled unknown": lambda photos: regression.decision_function(photos.embeddings),
    }


def measure_held_out(
    version: Version, train: Photos, test: Photos, count: int, labels: int
) -> None:
    """Print how models of `count` classes tell the others."""
    numbers = list(range(len(train.classes)))
    marked: dict[str, list[tuple[float, float]]] = {}
    told: dict[str, list[tuple[float, float]]] = {}
    sizes: list[int] = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        # One after the other from a row of all, then from another row: every class has its turn.
        row, place = divmod(seed, len(numbers) // count)
        order = np.random.default_rng(row).permutation(numbers)
        known = sorted(order[place * count : (place + 1) * count].tolist())
        others = [number for number in numbers if number not in known]
        photos = chosen(train, known, labels, rng)
        outside = chosen(train, others, labels, rng)
        seen = test.part(np.flatnonzero(np.isin(test.truth, known)))
        unseen = test.part(np.flatnonzero(np.isin(test.truth, others)))
        sizes.append(len(photos))
        for none in (0, *NONE):
            few = outside.part(rng.permutation(len(outside))[:none])
            learned = taught(version, photos, few.raw)
            if learned.familiarity is None:
                continue
            name = f"familiarity, {none} of no class" if none else "familiarity"
            pair = (_marked(learned, unseen), _marked(learned, seen))
            marked.setdefault(name, []).append(pair)
            if not none:
                for name, scorer in candidates(learned, photos, outside).items():
                    told.setdefault(name, []).append(separation(scorer(seen), scorer(unseen)))
    print(f"\n{count} of {len(numbers)} classes taught, {np.mean(sizes):.0f} labels, {SEEDS} seeds")
    print(f"  {'marked unsure':<32}unknown   known")
    for name, pairs in marked.items():
        unknown, wrong = np.mean(pairs, axis=0)
        print(f"  {name:<32}{unknown:7.1%} {wrong:7.1%}")
    print(f"  {'candidates':<32}  AUROC   unknown at {MARKED:.0%} known")
    for name, pairs in told.items():
        area, share = np.mean(pairs, axis=0)
        print(f"  {name:<32}{area:7.3f} {share:7.1%}")


def _marked(learned: TrainedHead, photos: Photos) -> float:
    """Return the share of photos that a version marks as unsure."""
    assert learned.familiarity is not None
    found = learned.familiarity.of(photos.raw, learned.head.logits(photos.raw))
    return float((found < FAMILIAR).mean())


def separation(known: Floats, unknown: Floats) -> tuple[float, float]:
    """Return AUROC, and the share of `unknown` below what 5% of `known` are below."""
    truth = np.repeat([1, 0], [len(known), len(unknown)])
    area = float(roc_auc_score(truth, np.concatenate([known, unknown])))
    return area, float((unknown < np.quantile(known, MARKED)).mean())


def measure_built_in(version: Version, photos: Photos, known: Path | None) -> None:
    """Print what a built-in model marks of photos that show none of its classes, and of others."""
    head = ServableGraph(version.path).head()
    print(f"\n{version.model}, {len(head.classes):,} classes, built in")
    with LoadedVersion(version.path) as loaded:

        def shown(files: list[Path]) -> tuple[Floats, Floats]:
            jpegs = [read_normalized_image(path) for path in files]
            batches = [jpegs[start : start + BATCH] for start in range(0, len(jpegs), BATCH)]
            return (
                np.concatenate([loaded.answers(batch).familiarity for batch in batches]),
                np.concatenate([loaded.embed(batch) for batch in batches]),
            )

        found, _ = shown(list(photos.paths))
        share = (found < FAMILIAR).mean()
        print(f"  marked unsure of {len(found):,} photos of other things {share:7.1%}")
        if known is None:
            return
        files = [path for path in sorted(known.rglob("*")) if path.suffix.lower() in SUFFIXES]
        familiar, raw = shown(files)
    share = (familiar < FAMILIAR).mean()
    print(f"  marked unsure of {len(familiar):,} photos of its classes {share:7.1%}")
    logits = [_logits(head, raw), _logits(head, photos.raw)]
    tellers: dict[str, list[Floats]] = {
        "familiarity": [familiar, found],
        "best score": [softmax(each).max(axis=1) for each in logits],
        "largest logit": [each.max(axis=1) for each in logits],
        "energy": [np.log(np.exp(each).sum(axis=1)) for each in logits],
    }
    print(f"  {'candidates':<32}  AUROC   unknown at {MARKED:.0%} known")
    for name, (inside, outside) in tellers.items():
        area, share = separation(inside, outside)
        print(f"  {name:<32}{area:7.3f} {share:7.1%}")


def _logits(head: Head, raw: Floats) -> Floats:
    return head.logits(raw).astype(np.float64)


def measure_calibration(version: Version, train: Photos, test: Photos, labels: int) -> None:
    """Print the expected calibration error of models of all classes."""
    found = []
    for seed in range(SEEDS):
        numbers = list(range(len(train.classes)))
        photos = chosen(train, numbers, labels, np.random.default_rng(seed))
        learned = taught(version, photos, photos.raw[:0])
        certainty = learned.report.certainty
        assert certainty is not None
        assert certainty.temperature is not None
        truth = np.array([learned.head.classes.index(test.classes[each]) for each in test.truth])
        logits = learned.head.logits(test.raw)
        before = softmax(logits * np.float32(certainty.temperature))
        after = softmax(logits)
        found.append(
            (
                expected_calibration_error(before, truth),
                expected_calibration_error(after, truth),
                error_by_chance(after),
                certainty.calibration_error_before or 0.0,
                certainty.calibration_error or 0.0,
                certainty.calibration_error_by_chance or 0.0,
            )
        )
    means = np.mean(found, axis=0)
    print(f"\nexpected calibration error, all classes, {len(photos):,} labels, {SEEDS} seeds")
    print("                                   before   after  by chance alone")
    for name, three in ((f"{len(test):,} test photos", means[:3]), ("cross-validation", means[3:])):
        print(f"  {name:<32}" + " ".join(f"{value:7.1%}" for value in three))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_arguments(parser)
    parser.add_argument("--labels", type=int, action="append", help="a class; default: 20, and all")
    parser.add_argument("--known", type=Path, help="photos of the built-in model's classes")
    arguments = parser.parse_args()
    train, test = embedded(arguments)
    most = int(np.bincount(train.truth).max())
    print(f"{len(train):,} photos to learn from, {len(test):,} to test with")
    with tempfile.TemporaryDirectory(prefix="servery-unknown-") as folder:
        repository = ModelRepository(Path(folder))
        own = create_from_backbone(repository, "own", arguments.backbone, keeps_classes=False)
        for labels in arguments.labels or [20, most]:
            for count in sorted({2, len(train.classes) // 2}):
                measure_held_out(own, train, test, count, labels)
            measure_calibration(own, train, test, labels)
        built_in = install_built_in(repository, arguments.backbone)
        measure_built_in(built_in, test, arguments.known)


if __name__ == "__main__":
    main()
