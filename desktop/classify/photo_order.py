"""The orders in which photos of the gallery are shown; no Qt.

Python sorts plain numbers and strings several times as fast as tuples, so that 100,000 photos are
sorted by one value, and by those that break its ties only where there are ties.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import inf
from operator import attrgetter
from typing import Any

from desktop.classify.gallery_query import Facet, Query, Sort, natural_key
from desktop.classify.likeness.shown_stacks import SortKey
from desktop.classify.photo import Photo

NO_SCORE = -1.0
"""Of a photo without an answer."""
_LAST = chr(0x10FFFF)
"""Sorts behind every name."""


class PhotoEntry:
    """A photo of the gallery, and what queries ask about it."""

    __slots__ = (
        "bin",
        "class_name",
        "folder",
        "label",
        "name_key",
        "photo",
        "score",
        "serial",
        "sort_key",
        "stack",
        "state",
        "text",
        "version",
    )

    def __init__(self, photo: Photo, serial: int) -> None:
        self.photo = photo
        self.serial = serial
        """Lower for newer photos; never changes."""
        self.sort_key: SortKey | None = None
        """None if it is not shown."""
        self.state = self.class_name = self.label = self.version = self.folder = self.text = ""
        self.score = NO_SCORE
        self.bin = -1
        """The `confidence_bin` of the score: charts count those of all photos again and again."""
        self.name_key = ""
        """That of `natural_key`; empty until photos are first sorted by name."""
        self.stack = 0
        """The number of its stack of near-duplicates; 0 if it is in none."""


VALUE_OF: dict[Facet, Callable[[PhotoEntry], str]] = {
    Facet.STATE: attrgetter("state"),
    Facet.CLASS: attrgetter("class_name"),
    Facet.LABEL: attrgetter("label"),
    Facet.VERSION: attrgetter("version"),
    Facet.FOLDER: attrgetter("folder"),
}


class PhotoOrder:
    """The order that a query asks for."""

    def __init__(self, query: Query, taken: Mapping[str, datetime | None]) -> None:
        """`taken` has when photos were taken, by their keys, as far as that is known."""
        self._sort = query.sort
        self._taken = taken
        self._ranks = query.among.ranks if query.among is not None else {}
        self._value = self._sort_value()

    def sort(self, entries: list[PhotoEntry]) -> tuple[list[PhotoEntry], list[SortKey]]:
        """Return `entries`, which are in the order of the gallery, as they are shown, with their
        sort keys."""
        match self._sort:
            case Sort.NEWEST:  # as they come
                return list(entries), [(entry.serial,) for entry in entries]
            case Sort.CLASS:
                return _sorted_by_class(entries)
        values = list(map(self._value, entries))
        keys = [(value, entry.serial) for value, entry in zip(values, entries, strict=True)]
        rows = sorted(range(len(entries)), key=values.__getitem__)
        return [entries[row] for row in rows], [keys[row] for row in rows]

    def key(self, entry: PhotoEntry) -> SortKey:
        """Return what an entry is sorted by; entries differ in it."""
        match self._sort:
            case Sort.NEWEST:
                return (entry.serial,)
            case Sort.CLASS:
                return (_class_key(entry.class_name), -entry.score, entry.serial)
        return (self._value(entry), entry.serial)

    def _sort_value(self) -> Callable[[PhotoEntry], Any]:
        """Return what gives the one value that photos are sorted by, newer ones first where it is
        the same."""
        match self._sort:
            case Sort.MOST_CONFIDENT:
                return lambda entry: -entry.score
            case Sort.LEAST_CONFIDENT:
                return lambda entry: entry.score if entry.score >= 0 else inf
            case Sort.NAME:
                return _name_key
            case Sort.TAKEN:
                taken = self._taken
                return lambda entry: _newest_first(taken.get(entry.photo.key))
            case _:  # likeness
                ranks = self._ranks
                return lambda entry: ranks.get(entry.photo.key, len(ranks))


def _sorted_by_class(entries: Sequence[PhotoEntry]) -> tuple[list[PhotoEntry], list[SortKey]]:
    """Return photos by class, those of a class by score, with their sort keys."""
    by_name: dict[str, list[PhotoEntry]] = {}
    for entry in entries:
        by_name.setdefault(entry.class_name, []).append(entry)
    by_key: dict[str, list[PhotoEntry]] = {}
    for name, photos in by_name.items():
        key = _class_key(name)
        if key in by_key:  # the same but for capitals
            photos = sorted(by_key[key] + photos, key=attrgetter("serial"))
        by_key[key] = photos
    ranked: list[PhotoEntry] = []
    order: list[SortKey] = []
    for key, photos in sorted(by_key.items()):
        scores = [-entry.score for entry in photos]
        serials = [entry.serial for entry in photos]
        rows = sorted(range(len(photos)), key=scores.__getitem__)
        ranked += [photos[row] for row in rows]
        order += [(key, scores[row], serials[row]) for row in rows]
    return ranked, order


def _class_key(name: str) -> str:
    return name.casefold() or _LAST


def _name_key(entry: PhotoEntry) -> str:
    if not entry.name_key:
        entry.name_key = natural_key(entry.photo.name)
    return entry.name_key


def _newest_first(taken: datetime | None) -> float:
    return inf if taken is None else -_seconds(taken)


def _seconds(moment: datetime) -> float:
    return (moment - datetime(1970, 1, 1)).total_seconds()
