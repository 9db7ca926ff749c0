"""Counts what speaks for and against a new version, from embeddings and fair answers.

An answer is fair if it comes from a head that did not learn from the photo: of cross-validation
for photos that a version learned from, and of its own head for all others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backend.contract import ConfusedClasses
from backend.training.evaluation import answers_of
from backend.training.evidence import (
    Agreement,
    ClassFall,
    Evidence,
    Fall,
    Shuffled,
    TaughtClass,
    TaughtPair,
)
from backend.training.features import Rows
from backend.training.head import Floats, Head, unit
from backend.training.learned import Learned
from backend.training.permutation import MAX_CLASSES, LabelTest, permute_labels, permute_members

MIN_PHOTOS = 8
"""Fewer photos of new classes prove nothing, and can do little harm."""
MIN_OF_CLASS = 8
"""Photos from which on a new class is judged by itself."""
MAX_OF_CLASSES = 24
"""How many new classes are judged by themselves, those first that are recognized least. They are
fewer than MAX_CLASSES, so that the test has other classes to compare them with."""
MIN_OF_PAIR = 20
"""Photos of each class from which on two classes are compared."""
MIN_KNOWN = 24
"""Photos of known classes from which on their labels are compared with shuffled ones."""
MIN_POOL = 30
"""Photos without a label from which on the answers of two versions for them are compared."""
MIN_LOST = 20
"""Photos from which on a known class is judged by itself."""
MAX_POOL = 2000
MAX_CONFUSED = 5
"""Pairs of classes that are named."""
MAX_LEAST_KNOWN = 3
"""Least recognized classes of which up to MAX_CONFUSED pairs are named in addition."""
MAX_CONFUSED_PHOTOS = 20
"""Photos of each pair."""
TYPICAL = 5.0
"""Percentile of the similarity of photos to the mean of their class, below which a photo is not
typical."""
WELL_KNOWN_P = 0.05
"""Classes that shuffled labels do not describe as well as this are told apart."""
_Z95 = 1.644854
"""Of the normal distribution, for 95% on one side."""
_FLIPS = 4095
_MIN_OF_CLASS = 2


@dataclass(frozen=True)
class Judged:
    """One version, as far as it is judged."""

    head: Head
    answers: dict[str, str]
    """Image hash to its fair answer, for the photos that it learned from."""
    labels: dict[str, str]
    """Image hash to the class that it was labelled with then; empty if that is not known."""

    @classmethod
    def read(cls, version_folder: Path, head: Head) -> Judged:
        """Read what a version stores of how it was taught; raises ModelError."""
        learned = Learned.read(version_folder, head)
        kept = learned.cross_validated
        labels = {} if kept is None else dict(zip(kept.images, kept.labels, strict=True))
        return cls(head, dict(learned.answers), labels)


@dataclass(frozen=True)
class Photos:
    """Photos as one network sees them."""

    rows: Rows
    """All labelled ones in the order of their hashes."""
    pool: Floats
    """[N, D]: photos that nobody labelled."""


def gather(
    base: Judged,
    new: Judged,
    photos: Photos,
    test_part: frozenset[str],
    live: Photos | None = None,
) -> Evidence:
    """Return what speaks for and against `new`, which was taught from `base`.

    `photos` are as the network of `new` sees them: those that it learned from itself as one does
    that did not. `live` are the same ones, in the same order, as the network of `base` sees them,
    if that is another one. `test_part` are those among them that were never learned from.
    """
    rows, pool = photos.rows, photos.pool
    before = live or photos
    learned = rows.where(image not in test_part for image in rows.images)
    taught_before = {
        name
        for name, image in zip(learned.classes, learned.images, strict=True)
        if image in base.answers
    } & set(base.head.classes)
    taught = learned.where(name not in taught_before for name in learned.classes)
    known = learned.where(name in taught_before for name in learned.classes)
    added = known.where(image not in base.answers for image in known.images)
    answers = _fair(new, rows)
    classes = _taught_classes(taught, learned, answers)
    falls = _falls(base, before.rows, test_part, answers)
    return Evidence(
        taught=_taught(taught, known, pool),
        taught_classes=classes,
        pairs=_pairs(taught, learned, answers),
        known=_known(base, known),
        added=_shuffled(added),
        recall=_macro_fall(falls),
        classes=_class_falls(falls),
        relabelled=_relabelled(base, rows, answers),
        agreement=_agreement(base, new, taught, photos, before.pool),
        confused=_confused(set(taught.classes), learned, answers, classes),
    )


def _fair(judged: Judged, rows: Rows) -> dict[str, str]:
    direct = answers_of(judged.head, rows)
    return {**dict(zip(direct.images, direct.answered, strict=True)), **judged.answers}


def _known(base: Judged, known: Rows) -> Shuffled | None:
    """Return how well known classes are labelled now; None if they were no better before.

    Somebody may have promoted a version that cannot tell them apart.
    """
    formerly_known = known.where(image in base.labels for image in known.images)
    former_labels = tuple(base.labels[image] for image in formerly_known.images)
    before = _shuffled(replace(formerly_known, classes=former_labels))
    if before is not None and before.p > WELL_KNOWN_P:
        return None
    return _shuffled(known)


def _shuffled(rows: Rows) -> Shuffled | None:
    test = _test(rows, MIN_KNOWN)
    return None if test is None else _shuffled_from(test)


def _test(rows: Rows, min_rows: int) -> LabelTest | None:
    """Compare labels with shuffled ones, unless there are too few photos or only one class."""
    counts = Counter(rows.classes)
    several = rows.where(counts[name] >= _MIN_OF_CLASS for name in rows.classes)
    if len(several) < min_rows or len(set(several.classes)) < 2:
        return None
    return permute_labels(several)


def _shuffled_from(test: LabelTest) -> Shuffled:
    return Shuffled(test.photos, len(test.class_p), test.recall, test.shuffled, test.p)


def _taught(taught: Rows, known: Rows, pool: Floats) -> Shuffled | None:
    """Return what speaks for the classes that are taught now, together."""
    counts = Counter(taught.classes)
    test = _test(taught, MIN_PHOTOS)
    if test is not None:
        return _shuffled_from(test)
    # A single class: are its photos more alike than as many others?
    name, photos = counts.most_common(1)[0] if counts else ("", 0)
    own = taught.where(each == name for each in taught.classes)
    others = np.concatenate([known.embeddings, pool[:MAX_POOL]]) if len(pool) else known.embeddings
    if photos < MIN_PHOTOS or len(others) < photos:
        return None
    members = np.arange(photos + len(others)) < photos
    p = permute_members(np.concatenate([own.embeddings, others]), members)
    return Shuffled(photos, 1, 0.0, 0.0, p)


def _taught_classes(
    taught: Rows, learned: Rows, answers: Mapping[str, str]
) -> tuple[TaughtClass, ...]:
    """Return what speaks for each class that is taught now, beside all that were learned.

    Beside other new classes alone, photos of all kinds seem to be a class of their own: they
    are of known ones.
    """
    counts = Counter(taught.classes)
    right = Counter(
        name
        for name, image in zip(taught.classes, taught.images, strict=True)
        if answers[image] == name
    )
    names = [name for name in sorted(counts) if counts[name] >= MIN_OF_CLASS]
    names = sorted(names, key=lambda name: right[name] / counts[name])[:MAX_OF_CLASSES]
    others = Counter(name for name in learned.classes if name not in names)
    beside = [name for name, count in others.most_common() if count >= _MIN_OF_CLASS]
    chosen = {*names, *beside[: MAX_CLASSES - len(names)]}
    if not names:
        return ()
    class_p: Mapping[str, float] = {}
    if len(chosen) > 1:
        test = permute_labels(learned.where(name in chosen for name in learned.classes))
        class_p = test.class_p
    return tuple(
        TaughtClass(name, counts[name], right[name], class_p.get(name)) for name in sorted(names)
    )


def _pairs(taught: Rows, learned: Rows, answers: Mapping[str, str]) -> tuple[TaughtPair, ...]:
    counts = Counter(learned.classes)
    taken: dict[str, Counter[str]] = {}
    for label, image in zip(learned.classes, learned.images, strict=True):
        if answers[image] != label:
            taken.setdefault(label, Counter())[answers[image]] += 1
    found = {}
    for first in sorted(set(taught.classes)):
        for second, _ in taken.get(first, Counter()).most_common(1):
            photos = min(counts[first], counts[second])
            pair = (min(first, second), max(first, second))
            if photos >= MIN_OF_PAIR and pair not in found:
                both = learned.where(name in pair for name in learned.classes)
                found[pair] = TaughtPair(first, second, photos, permute_labels(both).p)
    return tuple(found.values())


def _confused(
    taught: set[str],
    learned: Rows,
    answers: Mapping[str, str],
    classes: Sequence[TaughtClass],
) -> tuple[ConfusedClasses, ...]:
    """Return the pairs of classes that are taken for one another most often.

    Those of the classes that are known least follow: a person has to see their photos.
    """
    photos: dict[tuple[str, str], list[str]] = {}
    for label, image in zip(learned.classes, learned.images, strict=True):
        answered = answers[image]
        if answered and answered != label and taught & {label, answered}:
            photos.setdefault((min(label, answered), max(label, answered)), []).append(image)
    pairs = sorted(photos.items(), key=lambda item: (-len(item[1]), item[0]))
    by_doubt = sorted(classes, key=lambda each: -(each.p or 0))
    least_known = {each.name for each in by_doubt[:MAX_LEAST_KNOWN]}
    theirs = [item for item in pairs[MAX_CONFUSED:] if least_known & set(item[0])]
    return tuple(
        ConfusedClasses(first, second, images[:MAX_CONFUSED_PHOTOS])
        for (first, second), images in pairs[:MAX_CONFUSED] + theirs[:MAX_CONFUSED]
    )


@dataclass(frozen=True)
class _Compared:
    """A photo of a class that the live version knows, and who answers it right."""

    label: str
    before: bool
    after: bool


def _falls(
    base: Judged, rows: Rows, test_part: frozenset[str], answers: Mapping[str, str]
) -> list[_Compared]:
    """Compare both versions on photos that are fair to both.

    Those are the ones that both learned from, and the test part. What was labelled since is
    none: a person confirms what the live version answers, or corrects it, which decides how
    good it seems. While the live version has learned from no photo there is nothing else.
    """
    before = _fair(base, rows)
    known = set(base.head.classes)
    photos = [
        (label, image)
        for label, image in zip(rows.classes, rows.images, strict=True)
        if label in known and (not base.answers or image in base.answers or image in test_part)
    ]
    lost = Counter(
        answers[image]
        for label, image in photos
        if before[image] == label and answers[image] not in known
    )
    gained = Counter(
        label
        for label, image in zip(rows.classes, rows.images, strict=True)
        if answers[image] == label
    )
    # More classes to choose from make it harder to be right. What goes to a new class that
    # finds more photos of its own than it takes from old ones is no fall.
    growing = {name for name, count in lost.items() if gained[name] > count}
    return [
        _Compared(
            label,
            before[image] == label,
            answers[image] == label or (before[image] == label and answers[image] in growing),
        )
        for label, image in photos
    ]


def _macro_fall(compared: list[_Compared]) -> Fall | None:
    """Return the fall of the mean recall of all classes.

    The p-value is of a test that lets each photo that only one version answers right speak for
    either with the same probability, weighted as it counts in the mean.
    """
    if not compared:
        return None
    counts = Counter(each.label for each in compared)
    weights = np.array([1 / (len(counts) * counts[each.label]) for each in compared])
    before = np.array([each.before for each in compared])
    after = np.array([each.after for each in compared])
    change = weights * (after.astype(float) - before)
    differ = change[change != 0]
    signs = np.random.default_rng(len(compared)).integers(0, 2, (_FLIPS, len(differ))) * 2 - 1
    extreme_flips = int(np.sum(signs @ np.abs(differ) <= change.sum() + 1e-12))
    return Fall(
        photos=len(compared),
        before=float(weights @ before),
        after=float(weights @ after),
        p=(1 + extreme_flips) / (1 + _FLIPS),
    )


def _class_falls(compared: list[_Compared]) -> tuple[ClassFall, ...]:
    by_class: dict[str, list[_Compared]] = {}
    for each in compared:
        by_class.setdefault(each.label, []).append(each)
    falls = []
    for name, photos in sorted(by_class.items()):
        if len(photos) >= MIN_LOST:
            falls.append(ClassFall(name, _fall(photos)))
    return tuple(falls)


def _fall(compared: list[_Compared]) -> Fall:
    """Return the fall of photos that count the same, with the p-value of a sign test."""
    count = len(compared)
    lost = sum(each.before and not each.after for each in compared)
    won = sum(each.after and not each.before for each in compared)
    extreme = sum(math.comb(lost + won, number) for number in range(lost, lost + won + 1))
    return Fall(
        photos=count,
        before=sum(each.before for each in compared) / count,
        after=sum(each.after for each in compared) / count,
        p=float(extreme / 2 ** (lost + won)),
    )


def _relabelled(base: Judged, rows: Rows, answers: Mapping[str, str]) -> Fall | None:
    """Compare what the live version was right in with the labels that it learned from, and what
    the new one is right in with those of now, for the same photos.

    Labels that were changed since count against both versions alike in every other comparison.
    """
    known = set(base.head.classes)
    compared = [
        _Compared(
            label,
            base.answers[image] == base.labels[image],
            answers[image] == label or answers[image] not in known,
        )
        for label, image in zip(rows.classes, rows.images, strict=True)
        if image in base.answers and image in base.labels and label in known
    ]
    return None if len(compared) < MIN_PHOTOS else _fall(compared)


def _agreement(
    base: Judged, new: Judged, taught: Rows, photos: Photos, seen_by_base: Floats
) -> Agreement | None:
    """Compare the answers of both versions for photos that nobody labelled."""
    pool = photos.pool[:MAX_POOL]
    if len(pool) < MIN_POOL or not base.head.classes or not new.head.classes:
        return None
    before, after = (
        [judged.head.classes[index] for index in judged.head.logits(seen).argmax(axis=1)]
        for judged, seen in ((base, seen_by_base[:MAX_POOL]), (new, pool))
    )
    fresh = set(taught.classes)
    # Like a photo of any new class: which of them it shows may be hard to say.
    looks_new = np.zeros(len(pool), np.bool_)
    for name in fresh:
        looks_new |= _looks_like(taught.where(each == name for each in taught.classes), pool)
    changed = sum(
        one != other and not (other in fresh and new_one)
        for one, other, new_one in zip(before, after, looks_new, strict=True)
    )
    untypical = TYPICAL / 100 * sum(name in fresh for name in after)
    error = _error(base, photos.rows)
    return Agreement(len(pool), changed / len(pool), error, untypical / len(pool))


def _error(base: Judged, rows: Rows) -> float:
    """Return how often the live version may be wrong: at most so often with 95% confidence.

    That is Wilson's one-sided bound, of the photos that it learned from with the labels that
    they had then. 0 if it was taught nothing: then nothing is known against what it answers.
    """
    labels = base.labels or dict(zip(rows.images, rows.classes, strict=True))
    answered = [image for image in base.answers if image in labels]
    if not answered:
        return 0.0
    count = len(answered)
    wrong = sum(base.answers[image] != labels[image] for image in answered) / count
    spread = math.sqrt(wrong * (1 - wrong) / count + _Z95**2 / (4 * count**2))
    return (wrong + _Z95**2 / (2 * count) + _Z95 * spread) / (1 + _Z95**2 / count)


def _looks_like(own: Rows, pool: Floats) -> npt.NDArray[np.bool_]:
    """Say of each photo of the pool whether it is as like a class as the photos of that are."""
    points = unit(own.embeddings)
    total = points.sum(axis=0)
    mean_of_others = unit(total - points) if len(points) > 1 else points
    typical = np.percentile((points * mean_of_others).sum(axis=1), TYPICAL)
    flags: npt.NDArray[np.bool_] = unit(pool) @ unit(total[None])[0] >= typical
    return flags
