"""What a version knows about its own answers: calibrated scores, and what is unknown to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backend.contract import Certainty
from backend.training.calibration import Calibration, calibrate, with_temperature
from backend.training.evaluation import cross_validation_folds
from backend.training.familiarity import Familiar, learn_familiarity
from backend.training.features import Rows
from backend.training.head import Floats, Head, softmax
from backend.training.learned import CrossValidated
from serving.models.familiarity import Familiarity, OldClasses


@dataclass(frozen=True)
class CalibratedHead:
    """A head with calibrated scores, and what its version answers beside them."""

    head: Head
    familiarity: Familiarity | None
    """None if it cannot be learned, as from very few labels."""
    certainty: Certainty
    """What was measured of both."""
    judged: CrossValidated
    """What heads with such scores say that did not learn from a photo."""


def learn_certainty(
    before: Head,
    head: Head,
    rows: Rows,
    judged: CrossValidated,
    none: Floats,
    old: OldClasses | None,
) -> CalibratedHead:
    """Calibrate `head`, which learned `rows`, and learn which photos are familiar.

    `before` is the head before anyone taught it. If it has classes already, there are no photos
    of most of them, and what calibrates the scores of the others would spoil theirs: the head
    stays as it is. `judged` is what heads said about these rows, in the same order, that did
    not learn from them. `none` [M, D] are embeddings of photos that show none of the classes.
    `old` describes the classes of `before`; None if it has none, or others than those of a
    built-in model: what is familiar to these cannot be told.
    """
    truth = rows.indices(head.classes).astype(np.int64)
    sizes = np.bincount(truth, minlength=len(head.classes))
    probabilities = judged.probabilities.astype(np.float32)
    # Without the only photo of its class nothing was left to learn that class from.
    fair = sizes[truth] > 1
    keeps_classes = len(before.classes) > 0
    calibration = calibrate(probabilities[fair], truth[fair], fixed=keeps_classes)
    if calibration is not None and not keeps_classes:
        head = _divided(head, calibration.temperature)
        judged = _calibrated(judged, calibration.temperature)
        probabilities = judged.probabilities.astype(np.float32)
    familiar = None
    if not keeps_classes or old is not None:
        familiar = learn_familiarity(
            rows.embeddings,
            np.unique(truth, return_inverse=True)[1],
            probabilities.max(axis=1),
            cross_validation_folds(rows),
            none,
            softmax(head.logits(none)).max(axis=1, initial=0),
            scores_count=len(head.classes) > 1 and not keeps_classes,
        )
    familiarity = None if familiar is None else Familiarity(old, familiar.classes)
    return CalibratedHead(head, familiarity, _certainty(len(rows), calibration, familiar), judged)


def _divided(head: Head, temperature: float) -> Head:
    factor = np.float32(1 / temperature)
    return Head(head.kernel * factor, head.bias * factor, head.classes)


def _calibrated(judged: CrossValidated, temperature: float) -> CrossValidated:
    """Return what the heads would have said with all logits divided by the temperature."""
    before = judged.probabilities.astype(np.float32)
    answered = before.max(axis=1, initial=0) > 0
    after = np.where(answered[:, None], with_temperature(before, temperature), before)
    # Logits are log(probability) + energy, before and after.
    rows, best = np.arange(len(before)), before.argmax(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_best = np.log(before[rows, best]) + judged.energies
        energies = of_best / np.float32(temperature) - np.log(after[rows, best])
    return replace(
        judged,
        probabilities=after.astype(np.float16),
        energies=np.where(answered, energies, judged.energies).astype(np.float32),
    )


def _certainty(
    photos: int, calibration: Calibration | None, familiar: Familiar | None
) -> Certainty:
    certainty = Certainty(photos)
    if calibration is not None:
        certainty = replace(
            certainty,
            calibration_error_before=calibration.error_before,
            calibration_error=calibration.error,
            calibration_error_by_chance=calibration.error_by_chance,
            temperature=calibration.temperature,
        )
    if familiar is not None:
        certainty = replace(
            certainty, marked_unsure=familiar.marked, none_marked_unsure=familiar.none_marked
        )
    return certainty
