"""Which photo is suggested for a label next, and why."""

from __future__ import annotations

import numpy as np

from backend.contract import QueueReason
from backend.labelling.queue_order import Known, Pick, queue_order
from backend.training.features import Integers
from backend.training.head import Floats, unit
from tests.support.scenes import judged, scatter


def _order(points: Floats, truth: Integers, taken: list[int], count: int) -> list[Pick]:
    """Return the order of all photos that are not taken, with indices in `points`."""
    rest = np.setdiff1d(np.arange(len(points)), taken)
    found = judged(points, taken, truth)
    known = Known(found.probabilities[rest], found.labels)
    picks = queue_order(points[rest], points[taken], known, count)
    return [
        Pick(
            int(rest[each.index]),
            each.reason,
            each.alike,
            tuple(int(rest[other]) for other in each.near_duplicates),
        )
        for each in picks
    ]


def test_the_first_photos_are_of_different_classes_the_rarest_last() -> None:
    points, truth = scatter([40, 30, 20, 10])
    picks = _order(points, truth, [], 4)
    shown = [int(truth[each.index]) for each in picks]
    assert sorted(shown) == [0, 1, 2, 3]
    assert shown[3] == 3
    assert {each.reason for each in picks} == {QueueReason.TYPICAL}


def test_a_class_without_a_label_comes_before_more_of_those_that_have_some() -> None:
    points, truth = scatter([30, 30, 30])
    taken = np.flatnonzero(truth < 2)[::10].tolist()
    first = _order(points, truth, taken, 1)[0]
    assert (int(truth[first.index]), first.reason) == (2, QueueReason.TYPICAL)


def test_of_classes_that_have_labels_the_unclear_photos_come_first() -> None:
    points, truth = scatter([30, 30], spread=0.1)
    between = unit((points[:6] + points[30:36]) / np.float32(2))
    points, truth = np.concatenate([points, between]), np.concatenate([truth, [0] * 6])
    taken = [*range(10, 20), *range(40, 50)]
    first = _order(points, truth, taken, 1)[0]
    assert first.index >= 60
    assert first.reason is QueueReason.UNCERTAIN


def test_the_class_with_fewer_labels_is_favoured() -> None:
    points, truth = scatter([40, 40], spread=0.16)
    taken = [*range(12), 40]
    picks = _order(points, truth, taken, 4)
    assert all(truth[each.index] == 1 for each in picks)
    assert QueueReason.RARE in {each.reason for each in picks}


def test_near_duplicates_are_collapsed_and_come_last() -> None:
    points, truth = scatter([6, 6])
    copies = unit(points + np.float32(0.01))
    points, truth = np.concatenate([points, copies]), np.concatenate([truth, truth])
    picks = _order(points, truth, [0], len(points))
    assert [each.reason for each in picks].count(QueueReason.REPEATED) == 12
    assert all(each.reason is QueueReason.REPEATED for each in picks[11:])
    by_index = {each.index: each for each in picks}
    for index in range(1, 12):
        pick = by_index[index]
        twin = by_index[index + 12]
        shown, hidden = (twin, pick) if pick.reason is QueueReason.REPEATED else (pick, twin)
        assert shown.near_duplicates == (hidden.index,)
    # The copy of the photo that has a label is worth nothing, though nobody points at it.
    assert by_index[12].reason is QueueReason.REPEATED


def test_every_photo_is_in_the_order_once() -> None:
    points, truth = scatter([25, 5, 1], spread=0.3)
    picks = _order(points, truth, [3], 100)
    assert sorted(each.index for each in picks) == [i for i in range(len(points)) if i != 3]


def test_a_longer_order_begins_like_a_shorter_one() -> None:
    points, truth = scatter([40, 40, 40], spread=0.2)
    taken = [0, 40, 80]
    short, long = (_order(points, truth, taken, count) for count in (5, 50))
    assert [each.index for each in long[:5]] == [each.index for each in short]


def test_nothing_to_label() -> None:
    points, truth = scatter([3])
    known = Known(np.zeros((0, 0), np.float32), np.zeros(0, np.int64))
    assert queue_order(points[:0], points, known, 10) == []
    assert len(_order(points[:1], truth[:1], [], 10)) == 1
