"""How long it takes to find photos like one, to stack near-duplicates, and to place a map.

    python -m tests.benchmarks.likeness [--rows 100000] [--map 10000] [--data FOLDER]

Embeddings are those of the photos in FOLDER, as in `queue`, drawn larger: each is a mixture of a
photo and one of its nearest ones, with noise; without FOLDER they are made up. Times are by the
clock, and in brackets what the process computed on all cores: other programs change the first.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from desktop.classify.likeness.embedding_file import (
    EmbeddingFile,
    Floats,
    reduction,
    unit,
    use_one_thread,
)
from desktop.classify.likeness.projection import nearest_neighbours, project
from desktop.classify.likeness.similar import StackFinder, nearest
from tests.benchmarks.embedded_folder import add_arguments, embedded

SIZE = 1280
_NEAREST = 15


def drawn_larger(real: Floats, number: int, rng: np.random.Generator) -> Floats:
    """Return so many embeddings that lie as those in `real` do."""
    near = nearest_neighbours(real, 10)
    first = rng.integers(0, len(real), number)
    second = near[first, rng.integers(0, 10, number)]
    share = rng.random((number, 1), dtype=np.float32)
    mixed = real[first] * share + real[second] * (1 - share)
    return unit(mixed + np.asarray(rng.normal(0, 0.012, mixed.shape), np.float32))


def timed(name: str, act: Callable[[], object], repeats: int = 1) -> None:
    clock, computed = [], []
    for _ in range(repeats):
        start, start_computing = time.perf_counter(), time.process_time()
        act()
        clock.append(1000 * (time.perf_counter() - start))
        computed.append(1000 * (time.process_time() - start_computing))
    print(
        f"{name:44}{statistics.median(clock):9.1f} ms  most {max(clock):9.1f}"
        f"   ({statistics.median(computed):.1f} ms)",
        flush=True,
    )


def kept_neighbours(forms: Floats, places: Floats) -> float:
    """Return which share of the nearest photos are the nearest on the map, too."""
    kept = []
    truth = nearest_neighbours(forms, _NEAREST)
    for row in range(0, len(places), max(1, len(places) // 1000)):
        far = np.linalg.norm(places - places[row], axis=1)
        far[row] = np.inf
        kept.append(len(set(np.argsort(far)[:_NEAREST]) & set(truth[row].tolist())) / _NEAREST)
    return statistics.mean(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--map", type=int, default=10_000)
    for action in parser._actions:
        action.required = False
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    if arguments.data is not None:
        real = np.concatenate([photos.embeddings for photos in embedded(arguments)])
    else:
        real = unit(np.abs(rng.normal(size=(1000, SIZE))).astype(np.float32))
    use_one_thread()  # as the window does
    rows = drawn_larger(real, arguments.rows, rng)
    with tempfile.TemporaryDirectory() as folder:
        file = EmbeddingFile(Path(folder), rows.shape[1])
        file.append(list(range(1, len(rows) + 1)), rows, list(range(len(rows))))
        wanted = iter(rng.integers(0, len(rows), 100).tolist())
        timed(f"60 of {len(rows):,} photos like one", lambda: nearest(file, next(wanted), 60), 40)
        finder = StackFinder(file)
        new = iter(range(10))

        def add() -> None:
            first = len(rows) + 1 + 64 * next(new)
            finder.add(list(range(first, first + 64)), rows[rng.integers(0, len(rows), 64)])

        timed("the stacks of 64 new photos", add, 10)
        file.close()
        timed("opening the file", lambda: EmbeddingFile(Path(folder), rows.shape[1]).close(), 3)
    forms = rows[: arguments.map]
    short = unit(forms @ reduction(forms.shape[1]))
    places: list[Floats] = []
    timed(
        f"places of {len(forms):,} photos on the map",
        lambda: places.append(project(short, lambda share, _: True)),
    )
    print(f"of the {_NEAREST} nearest photos, on the map: {kept_neighbours(forms, places[0]):.0%}")


if __name__ == "__main__":
    main()
