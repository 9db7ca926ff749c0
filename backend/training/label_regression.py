"""Learning from the labels alone: regression, judged by cross-validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from backend.training.certainty import learn_certainty
from backend.training.evaluation import (
    CROSS_VALIDATION,
    HELD_OUT,
    answers_in,
    answers_of,
    evaluate,
    fair_answers,
    report,
)
from backend.training.features import Rows
from backend.training.head import Floats, Head
from backend.training.learned import Learned
from backend.training.outlook import outlook_of
from backend.training.prototypes import read_embedding_mean
from backend.training.regression import sorted_rows
from backend.training.selection import choose
from backend.training.trained_head import TrainedHead
from serving.models.builtin.old_classes import old_classes
from serving.models.familiarity import Familiarity


def teach_by_regression(
    base_folder: Path,
    base: Head,
    labeled: Rows,
    test_part: frozenset[str],
    pool: Floats,
    on_part: Callable[[int, int], None],
    none: Floats,
    seen_by_base: Rows | None = None,
) -> TrainedHead:
    """Return a head that learned every one of `labeled` but those of `test_part`.

    `pool` [M, D] are embeddings of photos without labels, which teach too if the labels say
    that they do. Its accuracy is measured on the test part, if there is one, else by
    cross-validation. `on_part(number, count)` is called before each of the fits of that. `none`
    [M, D] are embeddings of photos that show none of the classes: no class is learned from
    them, but what is unknown. `seen_by_base` are the labelled photos as the network of the base
    version sees them, if the others are embedded by another one.
    """
    before = Learned.read(base_folder, base)
    rows = sorted_rows(labeled.where(image not in test_part for image in labeled.images))
    test_rows = sorted_rows(labeled.where(image in test_part for image in labeled.images))
    old = old_classes(base_folder, before.foundation.classes)
    familiarity = None if old is None else Familiarity(old)
    certainty = None
    if len(rows):
        mean = read_embedding_mean(base_folder, rows.embeddings)
        chosen = choose(before.foundation, rows, mean, pool, on_part)
        unlabelled = chosen.pool
        head = chosen.problem.fit(np.arange(len(rows)))
        certain = learn_certainty(before.foundation, head, rows, chosen.judged, none, old)
        head, familiarity, certainty = certain.head, certain.familiarity, certain.certainty
        judged = certain.judged
        checked = answers_in(judged)
    else:
        head = before.foundation
        judged, unlabelled = None, 0
        checked = answers_of(head, rows)
    tested = answers_of(head, test_rows)
    measured, method = (tested, HELD_OUT) if len(test_rows) else (checked, CROSS_VALIDATION)
    error = 1 - sum(measured.right) / len(measured.right) if measured.right else None
    made = replace(
        report(method, measured, Counter(rows.classes)),
        certainty=certainty,
        outlook=outlook_of(rows, error),
    )
    evaluation = evaluate(
        measured,
        [checked, tested],
        base,
        fair_answers(base, before, seen_by_base or rows.joined(test_rows)),
    )
    learned = replace(
        before,
        answers=dict(zip(checked.images, checked.answered, strict=True)),
        cross_validated=judged,
    )
    return TrainedHead(
        head=head,
        evaluation=evaluation,
        learned_images=len(rows),
        measured_on=(
            f"{len(test_rows)} held-out photos"
            if len(test_rows)
            else f"{len(rows)} labelled photos by cross-validation"
        ),
        method="logistic regression on unit embeddings"
        + (f", and on {unlabelled:,} photos without labels" if unlabelled else ""),
        write=learned.write,
        report=made,
        measured=measured,
        familiarity=familiarity,
    )
