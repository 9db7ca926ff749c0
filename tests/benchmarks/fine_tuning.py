"""What fine-tuning the last blocks of a network brings, and how long it takes.

    python -m tests.benchmarks.fine_tuning --data FOLDER [--backbone NAME] [--labels 20,50,all]

FOLDER has a folder of photos for each class, or such folders in `train` and `test`. So many
photos of each class are labelled, others with each seed. Printed are, in percent: right of the
test part with the network as it is and with the fine-tuned one, each with a head that learned the
same labels; what the comparison before use said of both, on the labelled photos, and its p-value;
and seconds. A network whose p-value is above 0.05 would not be used.

With --shuffled, the labels are shuffled among the photos first: no gain is real then.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from backend.training.features import Integers, Rows
from backend.training.fine_tuning.comparison import is_better
from backend.training.fine_tuning.graph_cut import find_bottlenecks, graph_of
from backend.training.fine_tuning.network import Activations, InitialHead, LowerPart, TrainedPart
from backend.training.fine_tuning.rounds import Tuning
from backend.training.head import Floats, unit
from serving.normalize_image import read_normalized_image
from tests.benchmarks.embedded_folder import Photos, add_arguments, embedded
from tests.benchmarks.learning import Product, draw

BATCH = 16


def activations(lower: LowerPart, photos: Photos) -> Activations:
    """Return what the network has of each photo at the cut, and of its mirror image."""
    parts = [
        lower.activations([read_normalized_image(path) for path in photos.paths[at : at + BATCH]])
        for at in range(0, len(photos), BATCH)
    ]
    return np.concatenate(parts, axis=1)


def seen(photos: Photos, embeddings: Floats) -> Photos:
    """Return the same photos as another network sees them."""
    lengths = np.linalg.norm(embeddings, axis=1)
    return Photos(unit(embeddings), photos.truth, photos.classes, photos.paths, lengths)


def right(product: Product, labelled: Photos, test: Photos) -> float:
    return float(100 * np.mean(product.alone(labelled, labelled.part(none()), test) == test.truth))


def none() -> Integers:
    return np.zeros(0, np.int64)


class Row(NamedTuple):
    """What was measured with one choice of labels; shares in percent."""

    test_before: float
    test_after: float
    compared_before: float
    compared_after: float
    p: float
    seconds: float
    used: bool


def line(row: Row) -> str:
    tested = f"{row.test_before:>16.1f} {row.test_after:>7.1f}"
    compared = f"{row.compared_before:>20.1f} {row.compared_after:>7.1f}"
    return f"{tested} {compared} {row.p:>7.4f} {row.seconds:>7.0f}"


def measure(arguments: argparse.Namespace) -> None:
    photos, test = embedded(arguments)
    with tempfile.TemporaryDirectory(prefix="servery-fine-tuning-") as folder:
        product = Product(Path(folder), arguments.backbone)
        began = time.monotonic()
        bottlenecks = find_bottlenecks(graph_of(product.base.path))
        lower = LowerPart(bottlenecks, read_normalized_image(photos.paths[0]))
        of_photos, of_test = activations(lower, photos), activations(lower, test)
        a_photo = (time.monotonic() - began) / (len(photos) + len(test))
        weights = sum(value.size for value in lower.weights.values())
        print(f"{len(photos):,} photos, {len(test):,} to test with; {weights:,} weights learn")
        print(f"a photo at the cut: {lower.shape}, {a_photo:.3f} s with its mirror image")
        print("labels a class, seed    test: as it is, tuned   compared: as it is, tuned, p      s")
        place = {path: index for index, path in enumerate(photos.paths)}
        for count in arguments.labels.split(","):
            wanted = None if count == "all" else int(count)
            rows = []
            for seed in range(arguments.seeds if wanted else 1):
                labelled, _ = draw(photos, wanted, seed)
                if arguments.shuffled:
                    order = np.random.default_rng(seed).permutation(len(labelled))
                    labelled = seen(labelled, labelled.raw)
                    labelled.truth[:] = labelled.truth[order]
                chosen = np.array([place[path] for path in labelled.paths])
                found = one(product, lower, labelled, of_photos[:, chosen], test, of_test[0])
                rows.append(found)
                print(f"{count:>8} {seed:>13} {line(found)}", flush=True)
            used = sum(row.used for row in rows)
            means = [float(np.mean(column)) for column in zip(*rows, strict=True)]
            mean = Row._make([*means[:-1], False])
            print(f"{count:>8}          mean {line(mean)}   used: {used} of {len(rows)}")


def one(
    product: Product,
    lower: LowerPart,
    labelled: Photos,
    of_labelled: Activations,
    test: Photos,
    of_test: Activations,
) -> Row:
    names = tuple(labelled.classes[index] for index in labelled.truth)
    rows = Rows(labelled.raw, names, tuple(f"{index:064}" for index in range(len(labelled))))
    began = time.monotonic()
    tuning = Tuning(lower.upper, lower.weights, of_labelled, rows)
    tried = tuning.try_out(lambda text, count: None)
    weights = tuning.on_all(lambda text, count: None)
    seconds = time.monotonic() - began
    size = labelled.raw.shape[1]
    nothing = InitialHead(np.zeros((size, 0), np.float32), np.zeros(0, np.float32))
    network = TrainedPart(lower.upper, weights, nothing)
    found = tried.comparison
    return Row(
        right(product, labelled, test),
        right(product, seen(labelled, tried.embeddings), seen(test, network.embed(of_test))),
        100 * found.before,
        100 * found.after,
        found.p,
        seconds,
        is_better(found),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_arguments(parser)
    parser.add_argument("--labels", default="20,50,all", help="a class; default: %(default)s")
    parser.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--shuffled", action="store_true", help="shuffle the labels")
    with threadpool_limits(1):
        measure(parser.parse_args())


if __name__ == "__main__":
    main()
