"""What of the gallery is shown, and in which order; no Qt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from desktop.classify.photo import STATE_WORDS, PhotoState, capitalized
from desktop.translation import tr


class Sort(StrEnum):
    """The orders of the gallery; photos that lack what it goes by come last."""

    NEWEST = "Newest"
    CLASS = "Class"
    MOST_CONFIDENT = "Most confident"
    LEAST_CONFIDENT = "Least confident"
    TAKEN = "Date taken"
    NAME = "Name"
    LIKENESS = "Likeness"
    """Only among photos that are ranked by it."""


SORT_WORDS: Mapping[Sort, str] = {
    Sort.NEWEST: tr("Newest"),
    Sort.CLASS: tr("Class"),
    Sort.MOST_CONFIDENT: tr("Most confident"),
    Sort.LEAST_CONFIDENT: tr("Least confident"),
    Sort.TAKEN: tr("Date taken"),
    Sort.NAME: tr("Name"),
    Sort.LIKENESS: tr("Likeness"),
}
"""What each order is called on screen."""


class Facet(StrEnum):
    """What photos can be filtered by, beside text: each photo has one value of each."""

    STATE = "State"
    CLASS = "Class"
    LABEL = "Label"
    VERSION = "Version"
    FOLDER = "Folder"


FACET_WORDS: Mapping[Facet, str] = {
    Facet.STATE: tr("State"),
    Facet.CLASS: tr("Class"),
    Facet.LABEL: tr("Labels"),
    Facet.VERSION: tr("Version"),
    Facet.FOLDER: tr("Folder"),
}
"""What each facet is called on screen."""

_NUMBERS = re.compile(r"[0-9]{1,18}")
_NONE = {
    Facet.CLASS: tr("No class"),
    Facet.LABEL: tr("Not labelled"),
    Facet.VERSION: tr("Not answered"),
}
"""The words for an empty value."""


def value_words(facet: Facet, value: str) -> str:
    """Return a value of a facet as it stands on screen."""
    if not value:
        return _NONE.get(facet, tr("None"))
    return capitalized(STATE_WORDS[PhotoState(value)]) if facet is Facet.STATE else value


@dataclass(frozen=True)
class Among:
    """Some photos of the gallery, each with its place."""

    words: str
    """What they are: `most like cat.jpg`."""
    ranks: Mapping[str, int]
    """By the keys of the photos; lower for those that come first."""


@dataclass(frozen=True)
class Query:
    """Photos have one of the values of each facet in `chosen`, and the text in them."""

    text: str = ""
    """In lower case; in the name, the best class or the label."""
    chosen: Mapping[Facet, frozenset[str]] = field(default_factory=dict)
    """No facet has an empty set."""
    sort: Sort = Sort.NEWEST
    among: Among | None = None
    """If it is there, no other photos pass."""

    @property
    def is_filter(self) -> bool:
        """Whether it may leave out photos."""
        return bool(self.text or self.chosen or self.among)

    def with_text(self, text: str) -> Query:
        return replace(self, text=text.strip().lower())

    def with_values(self, facet: Facet, values: Iterable[str]) -> Query:
        """Return the query with these values of `facet`; without any, all photos pass."""
        chosen = {other: each for other, each in self.chosen.items() if other is not facet}
        if selected := frozenset(values):
            chosen[facet] = selected
        return replace(self, chosen=chosen)

    def toggled(self, facet: Facet, value: str) -> Query:
        """Return the query with `value` added, or taken away if it was there."""
        return self.with_values(facet, self.chosen.get(facet, frozenset()) ^ {value})

    def with_sort(self, sort: Sort) -> Query:
        return replace(self, sort=sort)

    def with_ranked(self, among: Among) -> Query:
        """Return the query for the photos in `among`, as they are ranked, whatever else passed."""
        return Query(sort=Sort.LIKENESS, among=among)

    def without_filter(self) -> Query:
        """Return the query that shows every photo in the same order, if they all have one."""
        return Query(sort=Sort.NEWEST if self.sort is Sort.LIKENESS else self.sort)

    def words(self) -> str:
        """Return what is filtered by, the text aside, as a list in words; empty if nothing is."""
        values = [
            value_words(facet, value)
            for facet in Facet
            for value in sorted(self.chosen.get(facet, ()))
        ]
        return ", ".join([self.among.words, *values] if self.among else values)


def natural_key(name: str) -> str:
    """Return what sorts `9.jpg` before `10.jpg`, and upper case beside lower case."""
    # A number sorts before any text, and by its value.
    return _NUMBERS.sub(lambda found: f"\0{found[0]:0>18}", name.casefold())
