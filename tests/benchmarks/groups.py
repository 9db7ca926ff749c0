"""How many actions it takes to label photos of new classes by groups of look-alikes.

    python -m tests.benchmarks.groups --data FOLDER [--goal 100]

FOLDER is as in `queue`. An oracle looks at groups in the order in which they come: it clicks the
photos away that do not show what most do, then names the rest. Each is one action. Groups are
asked for again after every tenth. It stops as soon as `goal` photos and all classes are labelled.
"""

from __future__ import annotations

import argparse

import numpy as np

from backend.labelling.judgement import judge
from backend.labelling.look_alikes import Group, look_alikes
from backend.training.features import Rows
from backend.training.head import Head
from tests.benchmarks.embedded_folder import Photos, add_arguments, embedded
from tests.benchmarks.queue import SHARE

AT_ONCE = 10
MAX_ACTIONS = 1_000


def groups_of(pool: Photos, taken: list[int], count: int) -> tuple[list[Group], list[int]]:
    """Return groups, and the photos that their indices are of."""
    rest = np.setdiff1d(np.arange(len(pool)), taken)
    names = tuple(pool.classes[pool.truth[index]] for index in taken)
    labelled = pool.embeddings[taken]
    rows = Rows(labelled, names, tuple(f"{index:09}" for index in taken))
    nothing = Head(np.zeros((2 * labelled.shape[1], 0), np.float32), np.zeros(0, np.float32), ())
    judged = judge(nothing, pool.embeddings.mean(axis=0), rows, pool.embeddings[rest])
    return look_alikes(pool.embeddings[rest], labelled, judged, count), rest.tolist()


def walk(pool: Photos, goal: int) -> tuple[int, int, int]:
    """Return actions, photos that got a label, and classes that have one."""
    taken: list[int] = []
    actions = 0
    while actions < MAX_ACTIONS:
        groups, rest = groups_of(pool, taken, AT_ONCE)
        if not groups:
            break
        for group in groups:
            members = np.array([rest[index] for index in group.indices])
            truth = pool.truth[members]
            named = np.bincount(truth).argmax()
            taken += members[truth == named].tolist()
            actions += 1 + int(np.sum(truth != named))
            known = len(set(pool.truth[taken].tolist()))
            if len(taken) >= goal and known == len(pool.classes):
                return actions, len(taken), known
    return actions, len(taken), len(set(pool.truth[taken].tolist()))


def main() -> None:
    parser = argparse.ArgumentParser(description="Count actions of labelling by groups.")
    add_arguments(parser)
    parser.add_argument("--goal", type=int, default=100, help="photos to label")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    photos, _ = embedded(arguments)
    print("  actions   labelled   classes")
    for seed in range(arguments.seeds):
        rng = np.random.default_rng(seed)
        kept = np.sort(rng.choice(len(photos), int(SHARE * len(photos)), replace=False))
        actions, labelled, known = walk(photos.part(kept), arguments.goal)
        print(f"{actions:9} {labelled:10} {known:9}", flush=True)


if __name__ == "__main__":
    main()
