"""Photos that look alike are shown as groups, and named with few actions."""

from __future__ import annotations

import numpy as np

from backend.labelling.look_alikes import MAX_PHOTOS, Group, look_alikes
from backend.training.features import Integers
from backend.training.head import Floats
from tests.support.scenes import judged, scatter


def _groups(points: Floats, truth: Integers, taken: list[int], count: int) -> list[Group]:
    """Return groups of the photos that are not taken, with indices in `points`."""
    rest = np.setdiff1d(np.arange(len(points)), taken)
    found = judged(points, taken, truth)
    if found.classes:
        found = type(found)(found.classes, found.labels, found.probabilities[rest])
    return [
        Group(tuple(int(rest[i]) for i in each.indices), each.suggestion, each.score)
        for each in look_alikes(points[rest], points[taken], found, count)
    ]


def test_photos_of_one_class_are_groups() -> None:
    points, truth = scatter([20, 20, 20], spread=0.08)
    groups = _groups(points, truth, [], 3)
    assert sorted(int(truth[each.indices[0]]) for each in groups) == [0, 1, 2]
    for each in groups:
        assert len(set(truth[list(each.indices)].tolist())) == 1
        assert 2 <= len(each.indices) <= MAX_PHOTOS
        assert each.suggestion == ""


def test_no_photo_is_in_two_groups_and_none_is_alone() -> None:
    points, truth = scatter([30, 30, 1, 1], spread=0.1)
    indices = [index for each in _groups(points, truth, [], 50) for index in each.indices]
    assert len(indices) == len(set(indices)) > 50
    assert not {60, 61} & set(indices)


def test_known_classes_are_suggested_after_new_kinds() -> None:
    points, truth = scatter([20, 20, 20], spread=0.08)
    groups = _groups(points, truth, [*range(5), *range(20, 25)], 10)
    assert groups[0].suggestion == ""
    assert set(truth[list(groups[0].indices)].tolist()) == {2}
    suggested = [each for each in groups if each.suggestion]
    assert {each.suggestion for each in suggested} == {"class 0", "class 1"}
    for each in suggested:
        assert each.score >= 0.5
        assert {f"class {truth[index]}" for index in each.indices} == {each.suggestion}


def test_a_hundred_photos_of_ten_new_classes_take_less_than_forty_actions() -> None:
    points, truth = scatter([10] * 10, spread=0.11, seed=3)
    taken: list[int] = []
    actions = 0
    while len(taken) < len(points):
        groups = _groups(points, truth, taken, 10)
        if not groups:  # one by one
            actions += len(points) - len(taken)
            break
        for each in groups:
            members = np.array(each.indices)
            named = np.bincount(truth[members]).argmax()
            taken += members[truth[members] == named].tolist()
            actions += 1 + int(np.sum(truth[members] != named))
    assert actions <= 40


def test_too_few_photos() -> None:
    points, truth = scatter([1])
    assert _groups(points, truth, [], 10) == []
