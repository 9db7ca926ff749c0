"""What the gate judges by is counted from embeddings, labels and fair answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from backend.training.features import Rows
from backend.training.gather_evidence import MIN_POOL, Judged, Photos, gather
from backend.training.head import Floats, Head

SIZE = 16
AXES = {"cat": 0, "dog": 1, "fox": 2, "wolf": 3}
NO_POOL = np.zeros((0, SIZE), np.float32)


def photos(names: Sequence[str], first: int = 0) -> Rows:
    """Photos, each with one large number in the place of its class."""
    generator = np.random.default_rng(first)
    points = generator.uniform(0, 0.5, (len(names), SIZE)).astype(np.float32)
    for row, name in zip(points, names, strict=True):
        row[AXES[name]] += 2
    images = tuple(f"{number:064x}" for number in range(first, first + len(names)))
    return Rows(points, tuple(names), images)


def head(*classes: str) -> Head:
    """A head that answers with the class whose number is the largest."""
    kernel = np.zeros((2 * SIZE, len(classes)), np.float32)
    for column, name in enumerate(classes):
        kernel[AXES[name], column] = 1
    return Head(kernel, np.zeros(len(classes), np.float32), classes)


def right(rows: Rows) -> dict[str, str]:
    return dict(zip(rows.images, rows.classes, strict=True))


KNOWN = photos(["cat", "dog"] * 15)
FRESH = photos(["fox", "wolf"] * 10, first=100)
BASE = Judged(head("cat", "dog"), right(KNOWN), right(KNOWN))
NEW = Judged(head("cat", "dog", "fox", "wolf"), right(KNOWN) | right(FRESH), {})


def relabelled(rows: Rows, names: Sequence[str]) -> Rows:
    return replace(rows, classes=tuple(names))


def test_good_labels_of_new_and_known_classes() -> None:
    found = gather(BASE, NEW, Photos(KNOWN.joined(FRESH), NO_POOL), frozenset())
    assert found.taught is not None
    assert (found.taught.photos, found.taught.classes, found.taught.p) == (20, 2, 0.001)
    assert found.known is not None
    assert (found.known.photos, found.known.p) == (30, 0.001)
    assert found.added is None
    assert found.recall is not None
    assert found.recall.photos == 30
    assert (found.recall.before, found.recall.after) == pytest.approx((1, 1))
    assert found.confused == ()


def test_a_class_of_the_backbone_is_taught_when_it_is_labelled_first() -> None:
    backbone = Judged(head("cat", "dog", "fox", "wolf"), {}, {})
    found = gather(backbone, NEW, Photos(FRESH, NO_POOL), frozenset())
    assert found.taught is not None
    assert found.known is None


def test_the_test_part_is_no_evidence_of_what_was_learned() -> None:
    part = frozenset(FRESH.images[:14])
    found = gather(BASE, NEW, Photos(KNOWN.joined(FRESH), NO_POOL), part)
    assert found.taught is None


def test_labels_of_known_classes_that_were_shuffled_are_seen_in_three_ways() -> None:
    generator = np.random.default_rng(5)
    wrong = relabelled(KNOWN, [str(name) for name in generator.permutation(KNOWN.classes)])
    found = gather(BASE, NEW, Photos(wrong, NO_POOL), frozenset())
    assert found.known is not None
    assert found.known.p > 0.05
    assert found.relabelled is not None
    assert (found.relabelled.before, found.relabelled.p < 0.01) == (1.0, True)
    assert found.relabelled.after < 0.7
    added = photos(["cat", "dog"] * 12, first=200)
    shuffled = relabelled(added, [str(name) for name in generator.permutation(added.classes)])
    found = gather(BASE, NEW, Photos(KNOWN.joined(shuffled), NO_POOL), frozenset())
    assert found.added is not None
    assert found.added.p > 0.05


def test_known_classes_that_were_no_better_before_hold_nothing_back() -> None:
    generator = np.random.default_rng(5)
    wrong = relabelled(KNOWN, [str(name) for name in generator.permutation(KNOWN.classes)])
    promoted_by_person = replace(BASE, labels=right(wrong))
    assert gather(promoted_by_person, NEW, Photos(wrong, NO_POOL), frozenset()).known is None


def test_a_single_new_class_is_compared_with_what_else_there_is() -> None:
    foxes = photos(["fox"] * 10, first=300)
    found = gather(BASE, NEW, Photos(KNOWN.joined(foxes), NO_POOL), frozenset())
    assert found.taught is not None
    assert (found.taught.photos, found.taught.classes, found.taught.p) == (10, 1, 0.001)
    anything = relabelled(photos(["cat", "dog"] * 5, first=300), ["fox"] * 10)
    found = gather(BASE, NEW, Photos(KNOWN.joined(anything), NO_POOL), frozenset())
    assert found.taught is not None
    assert found.taught.p > 0.05
    assert [each.name for each in found.taught_classes] == ["fox"]
    nothing = Judged(head(), {}, {})
    assert gather(nothing, NEW, Photos(foxes, NO_POOL), frozenset()).taught is None


@pytest.mark.parametrize("answered", ["fox", "dog"])
def test_a_single_new_class_beside_nothing_else_has_to_be_recognized(answered: str) -> None:
    backbone = Judged(head("cat", "dog"), {}, {})
    foxes = photos(["fox"] * 10, first=200)
    new = Judged(head("cat", "dog", "fox"), dict.fromkeys(foxes.images, answered), {})
    found = gather(backbone, new, Photos(foxes, NO_POOL), frozenset())
    (fox,) = found.taught_classes
    assert (fox.photos, fox.right, fox.p) == (10, 10 if answered == "fox" else 0, None)


def test_what_was_labelled_since_does_not_say_that_recall_fell() -> None:
    added = photos(["cat"] * 10, first=400)
    wrong = Judged(NEW.head, NEW.answers | dict.fromkeys(added.images, "dog"), {})
    found = gather(BASE, wrong, Photos(KNOWN.joined(added), NO_POOL), frozenset())
    assert found.recall is not None
    assert found.recall.photos == 30
    assert found.recall.after == pytest.approx(1)


def test_the_recall_of_each_class_counts_the_same() -> None:
    rows = photos(["cat"] * 40 + ["dog"] * 10)
    lost = dict.fromkeys(rows.images[40:48], "cat")
    base = Judged(head("cat", "dog"), right(rows), right(rows))
    new = Judged(head("cat", "dog"), right(rows) | lost, {})
    found = gather(base, new, Photos(rows, NO_POOL), frozenset())
    assert found.recall is not None
    assert found.recall.after == pytest.approx(0.6)
    assert found.recall.p == pytest.approx(2**-8, abs=0.003)
    assert [each.name for each in found.classes] == ["cat"]


def test_what_a_new_class_takes_is_no_fall_if_it_finds_more_of_its_own() -> None:
    taken = dict.fromkeys(KNOWN.images[:4], "fox")
    new = replace(NEW, answers=NEW.answers | taken)
    found = gather(BASE, new, Photos(KNOWN.joined(FRESH), NO_POOL), frozenset())
    assert found.recall is not None
    assert found.recall.after == pytest.approx(1)
    few = FRESH.where(name == "wolf" for name in FRESH.classes)
    found = gather(BASE, new, Photos(KNOWN.joined(few), NO_POOL), frozenset())
    assert found.recall is not None
    assert found.recall.after < 0.9


def test_confused_classes_come_with_the_photos_that_were_taken_for_the_other() -> None:
    foxes = [image for image, name in right(FRESH).items() if name == "fox"][:3]
    wolf = next(image for image, name in right(FRESH).items() if name == "wolf")
    mixed = NEW.answers | dict.fromkeys(foxes, "wolf") | {wolf: "cat"}
    found = gather(
        BASE, replace(NEW, answers=mixed), Photos(KNOWN.joined(FRESH), NO_POOL), frozenset()
    )
    assert [(pair.first, pair.second, pair.images) for pair in found.confused] == [
        ("fox", "wolf", foxes),
        ("cat", "wolf", [wolf]),
    ]


def test_a_new_class_of_any_photos_is_told_from_good_ones_beside_it() -> None:
    anything = relabelled(photos(["cat", "dog", "fox", "wolf"] * 2, first=500), ["any"] * 8)
    names = ("cat", "dog", "fox", "wolf") * 2
    new = replace(NEW, answers=NEW.answers | dict(zip(anything.images, names, strict=True)))
    found = gather(BASE, new, Photos(KNOWN.joined(FRESH).joined(anything), NO_POOL), frozenset())
    assert found.taught is not None
    assert found.taught.p == 0.001  # all new classes together are known well
    unknown, fox, wolf = found.taught_classes
    assert (unknown.name, unknown.photos, unknown.right) == ("any", 8, 0)
    assert unknown.p is not None
    assert unknown.p > 0.5
    assert (fox.right, fox.p, wolf.right, wolf.p) == (10, 0.001, 10, 0.001)
    shown = [
        image
        for pair in found.confused
        if "any" in (pair.first, pair.second)
        for image in pair.images
    ]
    assert sorted(shown) == sorted(anything.images)


def test_a_class_of_fewer_photos_is_not_judged_by_itself() -> None:
    anything = relabelled(
        photos(["cat", "dog", "fox", "wolf", "cat", "dog", "fox"], first=500), ["any"] * 7
    )
    new = replace(NEW, answers=NEW.answers | dict.fromkeys(anything.images, "cat"))
    found = gather(BASE, new, Photos(KNOWN.joined(FRESH).joined(anything), NO_POOL), frozenset())
    assert [each.name for each in found.taught_classes] == ["fox", "wolf"]


def pool(names: Sequence[str]) -> Floats:
    return photos(names, first=1000).embeddings


def test_answers_for_unlabelled_photos_are_compared() -> None:
    same = gather(BASE, BASE, Photos(KNOWN, pool(["cat", "dog"] * 20)), frozenset()).agreement
    assert same is not None
    assert (same.photos, same.changed) == (40, 0.0)
    # None of 30 photos was answered wrong: 8.3% at most, with 95% confidence.
    assert same.expected == pytest.approx(0.083, abs=0.001)
    swapped = Judged(replace(BASE.head, classes=("dog", "cat")), BASE.answers, {})
    found = gather(BASE, swapped, Photos(KNOWN, pool(["cat"] * 40)), frozenset()).agreement
    assert found is not None
    assert found.changed == 1.0
    assert (
        gather(BASE, NEW, Photos(KNOWN, pool(["cat"] * (MIN_POOL - 1))), frozenset()).agreement
        is None
    )


def test_photos_that_a_new_class_takes_are_accounted_for_if_they_look_like_its_own() -> None:
    rows = KNOWN.joined(FRESH)
    found = gather(BASE, NEW, Photos(rows, pool(["fox"] * 40)), frozenset()).agreement
    assert found is not None
    assert found.changed < 0.2
    assert found.untypical == pytest.approx(0.05)
    # A fox that is taken for a wolf is a photo of a new class all the same.
    mixed = Judged(replace(NEW.head, classes=("cat", "dog", "wolf", "fox")), NEW.answers, {})
    found = gather(BASE, mixed, Photos(rows, pool(["fox"] * 40)), frozenset()).agreement
    assert found is not None
    assert found.changed < 0.2
    greedy = Judged(head("cat", "dog", "fox", "wolf"), NEW.answers, {})
    greedy.head.bias[2] = 10
    found = gather(BASE, greedy, Photos(rows, pool(["cat", "dog"] * 20)), frozenset()).agreement
    assert found is not None
    assert found.changed == 1.0
