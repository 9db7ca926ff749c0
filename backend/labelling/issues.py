"""Labelled photos that should be looked at again, the worst first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backend.contract import IssueKind, LabelIssue
from backend.labelling.doubts import doubts, near_duplicates_apart
from backend.labelling.photo_quality import Quality
from backend.training.evaluation import cross_validated
from backend.training.features import Rows
from backend.training.head import Floats, unit
from backend.training.learned import CrossValidated, Learned
from backend.training.regression import Problem, sorted_rows

_RANK = {kind: rank for rank, kind in enumerate(IssueKind)}


def find_issues(
    labelled: Rows,
    learned: Learned | None,
    mean: Floats | None,
    classes: Mapping[str, str],
    qualities: Mapping[str, Quality],
) -> list[LabelIssue]:
    """Return what is wrong with labelled photos, the surest first; each photo once for each kind.

    `labelled` are those with an embedding, `learned` and `mean` [D] what the live version was
    taught and the mean embedding of photos, if there are any; `classes` maps every labelled
    image to its class, `qualities` those that were measured.
    """
    issues: list[LabelIssue] = []
    if learned is not None and mean is not None and len(labelled) > 1:
        issues = _doubted(sorted_rows(labelled), learned, mean)
    for image, quality in qualities.items():
        if image in classes and (fault := quality.fault) is not None:
            kind, score = fault
            issues.append(LabelIssue(image, classes[image], "", round(score, 4), kind))
    return sorted(issues, key=lambda issue: (-issue.score, _RANK[issue.kind], issue.image))


def _doubted(rows: Rows, learned: Learned, mean: Floats) -> list[LabelIssue]:
    found = _probabilities(rows, learned, mean)
    truth = rows.indices(found.classes).astype(np.int64)
    points = unit(rows.embeddings)
    judged = doubts(points, truth, found.probabilities.astype(np.float32))
    issues = [
        LabelIssue(
            rows.images[row],
            rows.classes[row],
            found.classes[judged.suggested[row]],
            round(float(judged.doubt[row]), 4),
            IssueKind.CONTRADICTED,
        )
        for row in np.flatnonzero(judged.suggested != truth)
    ]
    for first, second, similarity in near_duplicates_apart(points, truth):
        # The one whose label is doubted more is the one to be looked at.
        row, other = (
            (first, second) if judged.doubt[first] >= judged.doubt[second] else (second, first)
        )
        issues.append(
            LabelIssue(
                rows.images[row],
                rows.classes[row],
                rows.classes[other],
                round(similarity, 4),
                IssueKind.DUPLICATE,
                rows.images[other],
            )
        )
    return issues


def _probabilities(rows: Rows, learned: Learned, mean: Floats) -> CrossValidated:
    """Return what heads say about `rows` that did not learn from the photo.

    The live version kept that for what it learned from; if all `rows` are among that, nothing
    is fitted.
    """
    kept = learned.cross_validated
    if kept is not None and set(rows.classes) <= set(kept.classes):
        row_of = {image: row for row, image in enumerate(kept.images)}
        if all(image in row_of for image in rows.images):
            order = [row_of[image] for image in rows.images]
            return CrossValidated(
                rows.images,
                rows.classes,
                kept.classes,
                kept.probabilities[order],
                kept.energies[order],
            )
    problem = Problem(learned.foundation, rows, mean)
    return cross_validated(problem, rows, lambda number, count: None)
