"""Learning as a version with `features.npz` does: new labels beside rehearsed rows."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from backend.training.evaluation import HELD_OUT, answers_of, report
from backend.training.features import Features, Rows
from backend.training.fit import fit_head
from backend.training.head import Head
from backend.training.trained_head import TrainedHead
from backend.training.worker_protocol import Evaluation


def teach_with_rehearsal(
    base_folder: Path,
    base: Head,
    labeled: Rows,
    test_part: frozenset[str],
    images_ever_labeled: frozenset[str],
) -> TrainedHead:
    """Return a head that learned `labeled` and remembers what the base version stores.

    A part of the labelled images, among them all of `test_part`, is held out and the
    version evaluated on it.
    """
    before = Features.read(base_folder, base)
    after = before.relabeled(labeled, images_ever_labeled, test_part & set(labeled.images))
    head = fit_head(after.foundation, after.train, after.classes())
    evaluation = evaluate_held_out(base, head, after.held_out)
    labeled_held_out = after.held_out.where(map(bool, after.held_out.images))
    learned_from = after.train.where(map(bool, after.train.images))
    measured, photos = answers_of(head, labeled_held_out), len(labeled_held_out)
    return TrainedHead(
        head=head,
        evaluation=evaluation,
        learned_images=len(learned_from),
        measured_on=(
            f"{evaluation.images - photos} held-out images of the classes it began with"
            f" and {photos} held-out labelled photos"
        ),
        method="head fitted to embeddings",
        write=partial(after.write, classes=head.classes),
        report=report(HELD_OUT, measured, Counter(learned_from.classes)),
        measured=measured,
    )


def evaluate_held_out(base: Head, head: Head, held_out: Rows) -> Evaluation:
    """Count right answers of both heads on the held-out rows.

    A row whose class the base cannot answer with is wrong for the base.
    """
    old = np.array([name in base.classes for name in held_out.classes], bool)
    right = np.array(answers_of(head, held_out).right, bool)
    base_right = np.array(answers_of(base, held_out).right, bool)
    return Evaluation(
        images=len(held_out),
        accuracy=_share(right),
        base_accuracy=_share(base_right),
        old_images=int(old.sum()),
        old_accuracy=_share(right[old]),
        old_base_accuracy=_share(base_right[old]),
    )


def _share(flags: Any) -> float | None:
    return float(np.mean(flags)) if len(flags) else None
