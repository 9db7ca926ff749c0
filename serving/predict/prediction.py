"""What a model answers for one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FAMILIAR = 0.5
"""Photos whose familiarity is lower look like none that the version learned its classes from."""
UNSURE_BELOW = 0.5
"""Answers of versions without familiarity are unsure if their best score is lower."""


@dataclass(frozen=True, slots=True)
class Score:
    """One class and its probability, 0 to 1."""

    name: str
    score: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """Ranked classes for one image, best first, and who answered."""

    model: str
    version: int
    scores: Sequence[Score]
    instance_id: str
    milliseconds: float
    """From sending the request to having the answer, retries included."""
    familiarity: float | None = None
    """How much the photo looks like those that the classes were learned from, 0 to 1; None from
    a version that did not learn that."""
    embedding: bytes | None = None
    """Little-endian float32 [D], if it was asked for and the version gives it."""

    def is_unsure(self, unsure_below: float = UNSURE_BELOW) -> bool:
        """Say whether a person should look at the answer. Everything that marks photos asks here.

        `unsure_below` is the least best score, for versions without familiarity. An answer
        without classes is never unsure.
        """
        if not self.scores:
            return False
        if self.familiarity is not None:
            return self.familiarity < FAMILIAR
        return self.scores[0].score < unsure_below
