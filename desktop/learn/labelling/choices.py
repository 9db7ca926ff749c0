"""The classes that are offered for a photo, one key each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from desktop.known_classes import KnownClasses
from serving.predict.prediction import Score

MAX_CHOICES = 9
"""As many as there are keys from 1 to 9."""
_LIKELY = 0.05
"""Score from which on a class that the model answers comes before the classes that people added."""
_FIRST = 3
"""Answers of the model that come first however low their scores are."""


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
    """Return the likely answers of the model, best first, then `taught`, then its other answers.

    Of a thousand classes some always have a low score, and would leave no key for those that a
    person is teaching.
    """
    answered = {score.name: Choice(score.name, score.score) for score in scores}
    likely = [
        score.name for at, score in enumerate(scores) if at < _FIRST or score.score >= _LIKELY
    ]
    names = dict.fromkeys([*likely, *taught, *answered])
    return [answered.get(name, Choice(name)) for name in names][:MAX_CHOICES]


def matches(text: str, known: KnownClasses) -> list[Choice]:
    """Return what `KnownClasses.offers` does, as many as there are keys."""
    return [
        Choice(match.name, other=match.other, is_new=match.is_new)
        for match in known.offers(text, MAX_CHOICES)
    ]
