"""What the map shows of photos: where, in which colour, and what that means; no Qt."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from desktop.classify.photo import NONE_OF_THESE, Photo
from desktop.formats import count
from desktop.translation import tr

CLASS_COLORS = 6
"""Classes that have a colour of their own; more could not be told apart."""


class Coloring(StrEnum):
    """What the colours of the map stand for."""

    CLASS = "Class"
    CORRECT = "Right or wrong"


COLORING_WORDS: Mapping[Coloring, str] = {
    Coloring.CLASS: tr("Class"),
    Coloring.CORRECT: tr("Right or wrong"),
}
"""What each coloring is called on screen."""


@dataclass(frozen=True)
class MapGroup:
    """Photos of one colour."""

    words: str
    color: int
    """The number of its colour; -1 for the one of all that is beside the point."""
    rows: tuple[int, ...]
    """Of the photos, in the order that they were given in."""
    is_wrong: bool = False


def groups(photos: Sequence[Photo], coloring: Coloring) -> list[MapGroup]:
    """Return `photos` by colour; groups that are painted later, above others, come last."""
    if coloring is Coloring.CORRECT:
        return _by_correctness(photos)
    names = [photo.top.name if photo.top is not None else "" for photo in photos]
    found = Counter(name for name in names if name)
    ranked = sorted(found, key=lambda name: (-found[name], name.casefold()))[:CLASS_COLORS]
    colors = {name: color for color, name in enumerate(ranked)}
    rows: dict[int, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(colors.get(name, -1), []).append(row)
    made = [MapGroup(name, colors[name], tuple(rows[colors[name]])) for name in ranked]
    others = [MapGroup(tr("other"), -1, tuple(rows[-1]))] if -1 in rows else []
    return others + made


def _by_correctness(photos: Sequence[Photo]) -> list[MapGroup]:
    rows: tuple[list[int], list[int], list[int]] = ([], [], [])
    for row, photo in enumerate(photos):
        label = photo.given_label
        if not label or photo.top is None:
            rows[0].append(row)
        else:
            is_right = label != NONE_OF_THESE and label == photo.top.name
            rows[1 if is_right else 2].append(row)
    unlabelled, right, wrong = (tuple(each) for each in rows)
    made = [
        MapGroup(tr("not labelled"), -1, unlabelled),
        MapGroup(tr("right"), 0, right),
        MapGroup(tr("wrong"), 5, wrong, is_wrong=True),
    ]
    return [group for group in made if group.rows]


def facts(groups: Iterable[MapGroup]) -> str:
    """Return what the colours say in words: `cat 12, dog 3, other 1`."""
    ranked = sorted(groups, key=lambda group: (group.color < 0, -len(group.rows)))
    return ", ".join(f"{group.words} {count(len(group.rows))}" for group in ranked)


def nearest_in_direction(
    points: Sequence[tuple[float, float]], start: int, dx: int, dy: int
) -> int | None:
    """Return the row of the point that is the next one from `start` in a direction; None if there
    is none."""
    x, y = points[start]
    best, best_cost = None, math.inf
    for row, (px, py) in enumerate(points):
        along = (px - x) * dx + (py - y) * dy
        aside = abs((px - x) * dy) + abs((py - y) * dx)
        if row != start and along > 0 and aside <= along and along + 2 * aside < best_cost:
            best, best_cost = row, along + 2 * aside
    return best


def nearest_rows(points: Sequence[tuple[float, float]], start: int, number: int) -> list[int]:
    """Return the rows of the points nearest to `start`, itself first."""
    x, y = points[start]
    rows = sorted(range(len(points)), key=lambda row: math.dist(points[row], (x, y)))
    return rows[:number]
