"""Whether what is said about more labels comes true.

    python -m tests.benchmarks.outlook --data FOLDER [--replays 50]

FOLDER is as in `queue`; both parts are used. Each replay labels 4 to 80 photos of each class at
random, has the outlook computed from these alone, labels 20 more of each class, and measures
how much better the photos without a label are answered then, up to 1,500 of them.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np

from backend.contract import Outlook
from backend.training.features import Rows
from backend.training.outlook import ADDED, outlook_of
from tests.benchmarks.embedded_folder import Photos, add_arguments, embedded
from tests.benchmarks.queue import accuracy

LABELS = (4, 6, 10, 15, 20, 30, 50, 80)
MAX_TEST = 1_500
MIN_TEST = 25
"""Photos of each class."""


@dataclass(frozen=True)
class Replay:
    labels: int
    outlook: Outlook
    gain: float
    seconds: float

    @property
    def holds(self) -> bool:
        return self.outlook.low <= self.gain <= self.outlook.high


def replay(photos: Photos, labels: int, seed: int) -> Replay:
    rng = np.random.default_rng(seed)
    of_class = [rng.permutation(np.flatnonzero(photos.truth == c)) for c in range(_classes(photos))]
    now = [int(index) for each in of_class for index in each[:labels]]
    later = [int(index) for each in of_class for index in each[: labels + ADDED]]
    left = rng.permutation(np.setdiff1d(np.arange(len(photos)), later))[:MAX_TEST]
    test = photos.part(left)
    names = tuple(photos.classes[photos.truth[index]] for index in now)
    rows = Rows(photos.embeddings[now], names, tuple(f"{index:09}" for index in now))
    started = time.monotonic()
    outlook = outlook_of(rows)
    seconds = time.monotonic() - started
    assert outlook is not None
    gain = accuracy(photos, later, test) - accuracy(photos, now, test)
    return Replay(labels, outlook, gain, seconds)


def _classes(photos: Photos) -> int:
    return len(photos.classes)


def main() -> None:
    parser = argparse.ArgumentParser(description="Replay what more labels bring.")
    add_arguments(parser)
    parser.add_argument("--replays", type=int, default=50)
    arguments = parser.parse_args()
    learn, test = embedded(arguments)
    photos = Photos(
        np.concatenate([learn.embeddings, test.embeddings]),
        np.concatenate([learn.truth, test.truth]),
        learn.classes,
        learn.paths + test.paths,
        np.concatenate([learn.lengths, test.lengths]),
    )
    fewest = int(np.bincount(photos.truth).min()) - ADDED - MIN_TEST
    possible = [labels for labels in LABELS if labels <= fewest]
    if not possible:
        raise SystemExit("Each class needs 49 photos.")
    replays = [
        replay(photos, possible[seed % len(possible)], seed) for seed in range(arguments.replays)
    ]
    print("labels a class    expected          true   interval holds it   seconds")
    for labels in possible:
        some = [each for each in replays if each.labels == labels]
        if not some:
            continue
        gain, low, high, true, seconds = 100 * np.mean(
            [
                (each.outlook.gain, each.outlook.low, each.outlook.high, each.gain, each.seconds)
                for each in some
            ],
            axis=0,
        )
        held = sum(each.holds for each in some)
        print(
            f"{labels:14} {gain:6.1f} ({low:5.1f} to {high:4.1f}) {true:6.1f}"
            f" {held:12} of {len(some)} {seconds / 100:10.2f}"
        )
    held = sum(each.holds for each in replays)
    print(f"The interval holds the truth in {held} of {len(replays)} replays.")


if __name__ == "__main__":
    main()
