"""Groups of photos that look alike, named one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from backend.contract import Cluster

MAX_REMEMBERED = 200
"""Groups out of which photos were taken; what was taken out of older ones may come back."""


@dataclass(frozen=True)
class NamedGroup:
    """What is said about a group: which photos it holds for."""

    images: tuple[str, ...]
    excluded: tuple[str, ...]
    """Photos of the group that a person took out; they stay without a label."""


class GroupWalk:
    """A line of groups with a position in it; the photos taken out of each."""

    def __init__(self) -> None:
        self._groups: list[Cluster] = []
        self._position = 0
        self._excluded: dict[int, set[str]] = {}
        """Photos that were taken out of a group, by its position in the line. When groups are
        replaced, they stay out of a new group that mostly has the same other photos."""
        self._excluded_groups: list[NamedGroup] = []
        """What was taken out of groups that are no longer in the line, the newest last."""
        self._gone: set[str] = set()
        """Photos that were named or skipped, and those that were answered elsewhere."""

    @property
    def current(self) -> Cluster | None:
        """The group that is shown; None behind the last one."""
        return self._groups[self._position] if self._position < len(self._groups) else None

    @property
    def number(self) -> int:
        """Of the group that is shown, from 1."""
        return self._position + 1

    @property
    def total(self) -> int:
        return len(self._groups)

    @property
    def excluded(self) -> frozenset[str]:
        """Photos of the current group that its name will not hold for."""
        group = self.current
        excluded_images = self._excluded.get(self._position, set())
        return frozenset() if group is None else frozenset(excluded_images & set(group.images))

    def toggle(self, image: str) -> None:
        """Take a photo out of the current group, or put it back."""
        group = self.current
        if group is None or image not in group.images:
            return
        out = self._excluded.setdefault(self._position, set())
        if image not in out:
            out.add(image)
            return
        out.remove(image)
        self._excluded_groups = [
            NamedGroup(each.images, tuple(other for other in each.excluded if other != image))
            for each in self._excluded_groups
        ]

    def name(self) -> NamedGroup | None:
        """Say that the current group was named, and go to the next.

        None, and nothing happens, if every photo was taken out.
        """
        group = self.current
        if group is None:
            return None
        excluded_images = self.excluded
        images = tuple(image for image in group.images if image not in excluded_images)
        if not images:
            return None
        excluded = tuple(image for image in group.images if image in excluded_images)
        self._gone.update(images)
        self._position += 1
        return NamedGroup(images, excluded)

    def skip(self) -> None:
        """Go to the next group; the photos of this one are in none that comes later."""
        if self.current is not None:
            self._gone.update(self.current.images)
            self._position += 1

    def remove(self, images: Iterable[str]) -> None:
        """Leave photos out of the groups from the current one on: they were answered elsewhere."""
        gone = set(images)
        self._gone |= gone
        self._replace(self._position, _without(self._groups[self._position :], gone))

    def readmit(self, images: Iterable[str]) -> None:
        """Let photos be in groups again: they have lost their answer."""
        self._gone.difference_update(images)

    def take_back(self, images: Iterable[str]) -> bool:
        """Go back to the group of which photos were named; returns whether it is in the line."""
        taken = set(images)
        self._gone -= taken
        for position, group in enumerate(self._groups):
            if taken & set(group.images):
                self._position = position
                return True
        return False

    def back(self) -> bool:
        """Go to the group before; returns whether there is one."""
        if self._position == 0:
            return False
        self._position -= 1
        return True

    def forward(self) -> bool:
        """Go to the next group without a name for this one; returns whether there was one."""
        if self.current is None:
            return False
        self._position += 1
        return True

    def refill(self, clusters: Iterable[Cluster]) -> None:
        """Take new groups behind the one that is shown.

        Photos of that one, those that have a name already and those that were skipped are left
        out of them: the groups may have been made before that was known.
        """
        shown = set(self.current.images) if self.current is not None else set()
        self._replace(self._position + 1, _without(clusters, shown | self._gone))

    def _replace(self, first: int, groups: Iterable[Cluster]) -> None:
        """Put groups in the place of those from `first` on."""
        for at, out in sorted(self._excluded.items()):
            if at < len(self._groups):
                kept = tuple(image for image in self._groups[at].images if image not in out)
                self._excluded_groups.append(NamedGroup(kept, tuple(out)))
        del self._excluded_groups[:-MAX_REMEMBERED]
        self._groups[first:] = groups
        self._excluded = {at: out for at, out in self._excluded.items() if at < first}
        for at, group in enumerate(self._groups[first:], first):
            if out := self._out_of(group):
                self._excluded[at] = out

    def _out_of(self, group: Cluster) -> set[str]:
        """Return which photos of a new group were taken out from among the same others."""
        found: set[str] = set()
        for former in self._excluded_groups:
            out = set(group.images) & set(former.excluded)
            others = set(group.images) - out
            if 2 * len(others & set(former.images)) > len(others):
                found |= out
        return found


def _without(groups: Iterable[Cluster], gone: Collection[str]) -> list[Cluster]:
    """Return groups without some photos; those that have all others stay the same objects."""
    left = []
    for group in groups:
        images = [image for image in group.images if image not in gone]
        if images:
            same = len(images) == len(group.images)
            left.append(group if same else replace(group, images=images))
    return left
