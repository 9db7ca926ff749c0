"""How good a head is: by cross-validation, or on photos that are held out.

In cross-validation the labelled photos are dealt into parts, and each is answered by a
head that was fitted to all the others. So every label tells how good the model is, and
the head that goes live still learns from every label. Near-duplicates are in one part: a
photo that differs from a learned one by a few pixels says nothing about others.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backend.contract import EvaluationReport, Mistake
from backend.training.features import Integers, Rows
from backend.training.head import Floats, Head, softmax
from backend.training.learned import CrossValidated, Learned
from backend.training.near_duplicates import group_near_duplicates
from backend.training.worker_protocol import Evaluation

CROSS_VALIDATION = "cross-validation"
HELD_OUT = "held-out photos"
MAX_MISTAKES = 100
"""Most that a report lists."""
FROZEN_FROM = 2_000
"""Photos from which on each stays in its part for good, so that accuracies of versions that learned
from more and more labels are measured on the same photos."""
_FEW = 20
"""Up to this many photos, each is a part of its own."""
_SOME = 500
"""Up to this many photos there are ten parts, beyond it five."""
_Z = 1.959964
"""Of the normal distribution, for 95%."""


@dataclass(frozen=True)
class Answers:
    """What was answered for each of N photos."""

    images: tuple[str, ...]
    labels: tuple[str, ...]
    answered: tuple[str, ...]
    """Empty if there was no class to answer with."""
    scores: Floats
    """[N]: of the answer."""

    @property
    def right(self) -> list[bool]:
        return [one == other for one, other in zip(self.labels, self.answered, strict=True)]


def answers_of(head: Head, rows: Rows) -> Answers:
    """Return what `head` answers for `rows`."""
    if not head.classes:
        none = tuple("" for _ in rows.classes)
        return Answers(rows.images, rows.classes, none, np.zeros(len(rows), np.float32))
    scores = softmax(head.logits(rows.embeddings))
    best = scores.argmax(axis=1)
    answered = tuple(head.classes[index] for index in best)
    return Answers(rows.images, rows.classes, answered, scores[np.arange(len(rows)), best])


class Fitter(Protocol):
    """Labelled rows, prepared so that heads can be fitted to any part of them."""

    @property
    def foundation(self) -> Head:
        """The head before anyone taught it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of every head that is fitted; the foundation's are the first ones."""

    def fit(self, chosen: Integers, /) -> Head:
        """Return the head that learned the rows of these indices alone, at least one."""

    def held_out_logits(self, parts: Sequence[Integers], /) -> Iterator[Floats]:
        """Yield for each part the logits [part, C] of its rows, by a head that learned all others.

        C is the number of `classes`, or of the foundation's if there are no others.
        """


def cross_validated(
    problem: Fitter,
    rows: Rows,
    on_part: Callable[[int, int], None],
    parts: Sequence[Integers] | None = None,
) -> CrossValidated:
    """Return what is said about each of `rows` by a head fitted without it.

    `rows` are the sorted rows of `problem`. `parts` are left out one after the other, those
    of `cross_validation_folds(rows)` unless given. `on_part(number, count)` is called before
    each, with numbers from 1. A photo that nothing is left without is judged by the foundation.
    """
    count, classes = len(rows), problem.classes
    probabilities = np.zeros((count, len(classes)), np.float16)
    energies = np.zeros(count, np.float32)
    if parts is None:
        parts = cross_validation_folds(rows)
    logits_of_parts = problem.held_out_logits(parts)
    for number, part in enumerate(parts, 1):
        on_part(number, len(parts))
        logits = next(logits_of_parts)
        if logits.shape[1]:
            largest = logits.max(axis=1)
            energies[part] = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
            # The foundation alone has fewer.
            probabilities[part, : logits.shape[1]] = softmax(logits)
    return CrossValidated(rows.images, rows.classes, classes, probabilities, energies)


def answers_in(found: CrossValidated) -> Answers:
    """Return what each photo was answered with while it was left out."""
    scores = found.probabilities.max(axis=1, initial=0).astype(np.float32)
    if not found.classes:
        return Answers(found.images, found.labels, ("",) * len(found.images), scores)
    best = found.probabilities.argmax(axis=1)
    answered = tuple(
        found.classes[index] if score > 0 else "" for index, score in zip(best, scores, strict=True)
    )
    return Answers(found.images, found.labels, answered, scores)


def cross_validation_folds(rows: Rows) -> list[Integers]:
    """Return the folds for cross-validation; near-duplicates are in one."""
    groups = group_near_duplicates(rows.embeddings) if len(rows) else np.zeros(0, np.int64)
    return stratified_folds(rows, groups)


def stratified_folds(rows: Rows, groups: Integers) -> list[Integers]:
    """Return folds of the rows, each class evenly, and rows of one group together.

    `groups` [N] are the numbers of the rows' groups. Up to 20 groups each is a part of its
    own; else there are ten parts, and five of more than 500 rows. From FROZEN_FROM rows the
    part of a photo is decided by its hash, so that labels to come leave it where it is. A
    group with more than half of a class's rows is dealt row by row: without it nothing
    would be left to learn that class from. Every part is sorted.
    """
    units = units_of(rows.classes, groups)
    count = len(rows)
    parts = len(units) if len(units) <= _FEW else 10 if count <= _SOME else 5
    if count < FROZEN_FROM:
        units.sort(key=lambda unit: (rows.classes[unit[0]], unit[0]))
        return [np.sort(np.concatenate(units[part::parts])) for part in range(parts)]
    part_of = np.zeros(count, np.int64)
    for unit in units:
        first = min(rows.images[index] for index in unit)
        part_of[unit] = int(hashlib.sha256(first.encode()).hexdigest(), 16) % parts
    return [np.flatnonzero(part_of == part) for part in range(parts)]


def units_of(classes: tuple[str, ...], groups: Integers) -> list[Integers]:
    """Return the rows of each group, but one by one those of a group that is most of a class."""
    sizes = Counter(classes)
    units: list[Integers] = []
    order = np.argsort(groups, kind="stable")
    for unit in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        shown = Counter(classes[index] for index in unit)
        if any(2 * number > sizes[name] for name, number in shown.items()):
            units += [np.array([index]) for index in unit]
        else:
            units.append(unit)
    return [unit for unit in units if len(unit)]


def interval_half_width(right: int, count: int) -> float:
    """Return half of Wilson's 95% interval of a share, of `right` among `count` > 0."""
    share = right / count
    spread = share * (1 - share) / count + _Z**2 / (4 * count**2)
    return _Z * math.sqrt(spread) / (1 + _Z**2 / count)


def evaluate(
    measured: Answers, every: Iterable[Answers], base: Head, fair: FairAnswers
) -> Evaluation:
    """Compare a new head with the base that it was taught from.

    `measured` is what the new head's accuracy is measured on. `every` are its answers
    for all labelled photos; those of classes that the base knew say whether it forgot.
    `base` is answered for by `fair`.
    """
    base_right = [
        fair(image) == label for image, label in zip(measured.images, measured.labels, strict=True)
    ]
    known = frozenset(base.classes)
    old = [
        (label, answered, fair(image) == label)
        for answers in every
        for image, label, answered in zip(
            answers.images, answers.labels, answers.answered, strict=True
        )
        if label in known
    ]
    right = sum(measured.right)
    return Evaluation(
        images=len(measured.images),
        accuracy=_share(measured.right),
        base_accuracy=_share(base_right),
        old_images=len(old),
        old_accuracy=_share([answered == label for label, answered, _ in old]),
        old_base_accuracy=_share([before for _, _, before in old]),
        accuracy_error=interval_half_width(right, len(measured.images))
        if measured.images
        else None,
    )


FairAnswers = Callable[[str], str]
"""Image hash to an answer of the base version that did not learn from that image."""


def fair_answers(base: Head, learned: Learned, rows: Rows) -> FairAnswers:
    """Return the base version's answers for `rows`.

    For a photo that it learned from that is the answer of its own cross-validation.
    """
    direct = answers_of(base, rows)
    answers = {**dict(zip(direct.images, direct.answered, strict=True)), **learned.answers}
    return answers.__getitem__


def report(
    method: str,
    measured: Answers,
    learned_from: Mapping[str, int],
) -> EvaluationReport:
    """Return the report on a version whose answers for photos are `measured`.

    `learned_from` is the number of photos of each class that it learned from. Classes
    that no photo shows and no answer names are left out: there may be a thousand.
    """
    shown = sorted({*learned_from, *measured.labels})
    classes = shown + sorted(set(measured.answered) - {"", *shown})
    index_of = {name: index for index, name in enumerate(classes)}
    confusion = [[0] * len(classes) for _ in classes]
    for label, answered in zip(measured.labels, measured.answered, strict=True):
        if answered:
            confusion[index_of[label]][index_of[answered]] += 1
    wrong = [index for index, right in enumerate(measured.right) if not right]
    wrong.sort(key=lambda index: (-measured.scores[index], measured.images[index]))
    counts = Counter(learned_from)
    return EvaluationReport(
        method=method,
        photos=len(measured.images),
        accuracy=_share(measured.right),
        accuracy_error=(
            interval_half_width(sum(measured.right), len(measured.images))
            if measured.images
            else None
        ),
        classes=classes,
        photos_per_class=[counts[name] for name in classes],
        confusion=confusion,
        mistakes=[
            Mistake(
                measured.images[index],
                measured.labels[index],
                measured.answered[index],
                round(float(measured.scores[index]), 4),
            )
            for index in wrong[:MAX_MISTAKES]
        ],
    )


def _share(flags: list[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None
