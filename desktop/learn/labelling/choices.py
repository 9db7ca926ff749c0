"""The classes that are offered for a photo, one key each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from desktop.known_classes import KnownClasses
from serving.class_names import checked_class_name
from serving.predict.prediction import Score

MAX_CHOICES = 9
"""As many as there are keys from 1 to 9."""


@dataclass(frozen=True)
class Choice:
    """A class that one key gives to the photo."""

    name: str
    score: float | None = None
    """What the model gives it, 0 to 1; None for a class offered for another reason."""
    other: str = ""
    """The other name of the class in which the typed text was found."""
    is_new: bool = False
    """There is no such class yet."""


def suggestions(scores: Sequence[Score], taught: Iterable[str] = ()) -> list[Choice]:
    """Return the classes that the model answered, best first, then others of `taught`."""
    found = {score.name: Choice(score.name, score.score) for score in scores[:MAX_CHOICES]}
    for name in taught:
        if len(found) == MAX_CHOICES:
            break
        found.setdefault(name, Choice(name))
    return list(found.values())


def matches(text: str, known: KnownClasses) -> list[Choice]:
    """Return the classes that `text` may mean, the likeliest first, and last the new one.

    No new class is offered by the name of one that exists; by another name of one it is.
    Raises ClassNameError if `text` can be the name of none.
    """
    name = checked_class_name(text)
    found = [Choice(match.name, other=match.other) for match in known.find(name)]
    if any(choice.name.casefold() == name.casefold() for choice in found):
        return found[:MAX_CHOICES]
    return [*found[: MAX_CHOICES - 1], Choice(name, is_new=True)]
