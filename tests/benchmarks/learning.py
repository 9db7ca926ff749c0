"""How well a model of one's own learns from few labels, beside scikit-learn's regression.

    python -m tests.benchmarks.learning --data FOLDER [--backbone NAME] [--http 10]
    python -m tests.benchmarks.learning --classes 1010 [--labels 1000]

FOLDER has a folder of photos for each class, or such folders in `train` and `test`. So many
photos of each class are labelled, others with each seed; the rest of the photos to learn from
is the pool, which nobody labelled. Printed is the accuracy on the test part of three heads:
scikit-learn's logistic regression (C = 10) on the same embeddings, and what a training run
makes of the labels alone and of labels and pool, by the functions that its worker calls.

With --http, the service learns from so many labels a class instead: labels are posted, the pool
too, then `POST /training`, then the test part, whose answers are counted.

With --order, labels in all are counted, and photos are labelled in the order of the queue or at
random: see `queue`.

With --classes, no photos are needed: it measures how long a head is fitted to labels of so many
classes, those of a built-in model first, from points around what it thinks they look like.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from backend.contract import NewModel, RunState
from backend.training.embed_images import MAX_POOL
from backend.training.features import Integers, Rows
from backend.training.head import Floats, Head, ServableGraph
from backend.training.label_regression import teach_by_regression
from backend.training.prototypes import prototypes, read_embedding_mean
from backend.training.regression import Problem, sorted_rows
from serving.models.builtin.catalog import DEFAULT_BUILT_IN, built_in_models
from serving.models.builtin.install import install_built_in
from serving.models.new_model import create_from_backbone
from serving.models.repository import ModelRepository
from serving.photo_folder import FolderPhoto
from tests.benchmarks import queue
from tests.benchmarks.embedded_folder import KEPT, Photos, embedded
from tests.benchmarks.own_model import POLL_SECONDS, posted_accuracy
from tests.benchmarks.service import service

COUNTS = (2, 5, 10, 20)
"""Labels a class; after them, all."""
NEW_CLASSES = 10
"""Of those that --classes fits, so many that the built-in model does not know."""

Answer = Callable[[Photos, Photos, Photos], Integers]
"""Returns the class of each photo to test with, given labelled ones and the pool."""


def regression(labelled: Photos, pool: Photos, test: Photos) -> Integers:
    if len(set(labelled.truth.tolist())) == 1:
        return np.repeat(labelled.truth[:1], len(test))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(C=10, max_iter=1000).fit(labelled.embeddings, labelled.truth)
    answers: Integers = fitted.predict(test.embeddings)
    return answers


class Product:
    """What a training run makes of labels, for a model that has no classes yet."""

    def __init__(self, folder: Path, backbone: str) -> None:
        repository = ModelRepository(folder)
        self.base = create_from_backbone(repository, "own", backbone, keeps_classes=False)
        self.head = ServableGraph(self.base.path).head()
        self.seconds: list[float] = []
        self.with_pool = 0

    def alone(self, labelled: Photos, pool: Photos, test: Photos) -> Integers:
        return self._answers(labelled, pool.raw[:0], test)

    def pooled(self, labelled: Photos, pool: Photos, test: Photos) -> Integers:
        return self._answers(labelled, pool.raw[:MAX_POOL], test)

    def _answers(self, labelled: Photos, pool: Floats, test: Photos) -> Integers:
        names = tuple(labelled.classes[index] for index in labelled.truth)
        rows = Rows(labelled.raw, names, tuple(f"{i:064}" for i in range(len(labelled))))
        started = time.monotonic()
        taught = teach_by_regression(
            self.base.path, self.head, rows, frozenset(), pool, lambda *_: None, pool[:0]
        )
        self.seconds.append(time.monotonic() - started)
        self.with_pool += "without labels" in taught.method
        best = taught.head.logits(test.raw).argmax(axis=1)
        places = np.array([test.classes.index(name) for name in taught.head.classes])
        answers: Integers = places[best]
        return answers


def draw(photos: Photos, count: int | None, seed: int) -> tuple[Photos, Photos]:
    """Return `count` photos of each class, all without a count, and the others, shuffled."""
    order = np.random.default_rng(seed).permutation(len(photos))
    chosen = [order[photos.truth[order] == which][:count] for which in range(len(photos.classes))]
    labelled = np.sort(np.concatenate(chosen))
    return photos.part(labelled), photos.part(np.setdiff1d(order, labelled, assume_unique=True))


def measure(arguments: argparse.Namespace) -> None:
    photos, test = embedded(arguments)
    print(f"{len(photos):,} photos, {len(photos.classes)} classes, {len(test):,} to test with")
    largest = int(np.bincount(photos.truth).max())
    counts = [*(count for count in COUNTS if count < largest), None]
    heading = "".join(f"{count or 'all':>14}" for count in counts)
    print(f"{f'labels a class, {arguments.seeds} seeds':36}{heading}")
    with tempfile.TemporaryDirectory(prefix="servery-learning-") as folder:
        product = Product(Path(folder), arguments.backbone)
        answers: dict[str, Answer] = {
            "scikit-learn, C = 10": regression,
            "Servery, labels alone": product.alone,
            "Servery, labels and pool": product.pooled,
        }
        for name, answer in answers.items():
            print(f"{name:36}", end="", flush=True)
            product.seconds.clear()
            for count in counts:
                # All labels are the same with every seed.
                seeds = arguments.seeds if count else 1
                draws = [draw(photos, count, seed) for seed in range(seeds)]
                right = [
                    100 * np.mean(answer(labelled, pool, test) == test.truth)
                    for labelled, pool in draws
                ]
                print(f"{np.mean(right):8.1f} ±{np.std(right):4.1f}", end="", flush=True)
            slowest = f"   (slowest {max(product.seconds):.1f} s)" if product.seconds else ""
            print(slowest)
        print(f"runs that learned from the pool     {product.with_pool:8,}")


async def measure_service(arguments: argparse.Namespace) -> None:
    """Label, train and classify over HTTP, and print the accuracy beside the functions'."""
    photos, test = embedded(arguments)
    labelled, pool = draw(photos, arguments.http, 0)
    with tempfile.TemporaryDirectory(prefix="servery-learning-") as folder:
        product = Product(Path(folder) / "models", arguments.backbone)
        expected = np.mean(product.pooled(labelled, pool, test) == test.truth)
        print(f"by the functions        {100 * expected:8.1f}%")
        options = ("--engine", "process")
        async with service(str(Path(folder) / "workspace"), 1, *options) as client:
            await client.create_model(NewModel("own", arguments.backbone, keep_classes=False))
            for path, which in zip(labelled.paths, labelled.truth, strict=True):
                jpeg = await asyncio.to_thread(path.read_bytes)
                await client.label(jpeg, photos.classes[which], model="own")
            for path, row in zip(pool.paths, pool.raw, strict=True):
                jpeg = await asyncio.to_thread(path.read_bytes)
                await client.add_to_pool(
                    jpeg, model="own", version=1, embedding=row.astype("<f4").tobytes()
                )
            started = time.monotonic()
            run = await client.train("own")
            while not run.state.finished:
                await asyncio.sleep(POLL_SECONDS)
                run = await client.training_run(run.id)
            seconds = time.monotonic() - started
            if run.state is not RunState.SUCCEEDED or run.version is None:
                raise SystemExit(f"The training run failed: {run.step}")
            if not run.promoted:
                print(f"held back: {run.step}")
                await client.promote("own", run.version)
            await client.serve_model("own")
            version = 0
            while version != run.version:
                await asyncio.sleep(POLL_SECONDS)
                version = (await client.classify(jpeg, "own")).version
            asked = [
                FolderPhoto(path, test.classes[which], held_out=True)
                for path, which in zip(test.paths, test.truth, strict=True)
            ]
            share = await posted_accuracy(client, "own", asked)
    print(f"over HTTP               {100 * share:8.1f}%  of {len(asked):,}")
    print(f"seconds of the run      {seconds:8.1f}")


def measure_classes(arguments: argparse.Namespace) -> None:
    """Print how long a head is fitted to labels of very many classes."""
    with tempfile.TemporaryDirectory(prefix="servery-learning-") as folder:
        version = install_built_in(ModelRepository(Path(folder)), arguments.backbone)
        foundation = ServableGraph(version.path).head()
        mean = read_embedding_mean(version.path, foundation.kernel[::2, :0].T)
    generator = np.random.default_rng(1)
    known = min(len(foundation.classes), arguments.classes - NEW_CLASSES)
    centres = prototypes(foundation, mean).embeddings[: len(foundation.classes)]
    pairs = generator.integers(0, len(centres), (arguments.classes - known, 2))
    centres = np.concatenate([centres[:known], centres[pairs].mean(axis=1)])
    names = (*foundation.classes[:known], *(f"new {i}" for i in range(arguments.classes - known)))
    which = np.arange(arguments.labels) % arguments.classes
    noise = generator.normal(0, centres.std() / 2, (arguments.labels, len(mean)))
    points = np.maximum(centres[which] + noise, 0).astype(np.float32)
    images = tuple(f"{number:064}" for number in range(arguments.labels))
    rows = sorted_rows(Rows(points, tuple(names[index] for index in which), images))
    nothing = Head(foundation.kernel[:, :0], foundation.bias[:0], ())
    shown = len(set(rows.classes))
    print(f"{arguments.labels:,} labels of {shown:,} classes: seconds to prepare and fit, % right")
    kinds = {"beside a backbone's classes": foundation, "classes of one's own": nothing}
    for title, base in kinds.items():
        started = time.monotonic()
        problem = Problem(base, rows, mean)
        prepared = time.monotonic()
        head = problem.fit(np.arange(len(rows)))
        done = time.monotonic()
        answers = head.logits(points).argmax(axis=1)
        right = np.mean([head.classes[a] == names[w] for a, w in zip(answers, which, strict=True)])
        print(f"{title:30}{prepared - started:8.2f}{done - prepared:8.2f}{100 * right:8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, metavar="FOLDER")
    names = [model.name for model in built_in_models()]
    parser.add_argument("--backbone", choices=names, default=DEFAULT_BUILT_IN)
    parser.add_argument("--kept", type=Path, default=KEPT, help="where embeddings are kept")
    parser.add_argument("--seeds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--http", type=int, metavar="LABELS", help="a class, over HTTP")
    parser.add_argument("--order", help="one or more, with commas: " + ", ".join(queue.ORDERS))
    parser.add_argument("--classes", type=int, help="measure the time of a fit instead")
    parser.add_argument("--labels", type=int, default=1000, help="of --classes")
    arguments = parser.parse_args()
    if not arguments.classes and arguments.data is None:
        parser.error("name a folder with --data, or a number of --classes")
    with threadpool_limits(1):  # as in a worker
        if arguments.classes:
            measure_classes(arguments)
        elif arguments.order:
            queue.compare(arguments, arguments.order, queue.LABELS)
        elif arguments.http:
            asyncio.run(measure_service(arguments))
        else:
            measure(arguments)


if __name__ == "__main__":
    main()
