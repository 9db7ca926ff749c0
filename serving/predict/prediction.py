"""What a model answers for one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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
