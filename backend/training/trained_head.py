"""What learning comes to, however it was done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backend.contract import EvaluationReport
from backend.training.evaluation import Answers
from backend.training.head import Head
from backend.training.worker_protocol import Evaluation
from serving.models.familiarity import Familiarity


@dataclass(frozen=True)
class TrainedHead:
    """A head that learned, how good it is, and what its version stores beside it."""

    head: Head
    evaluation: Evaluation
    learned_images: int
    measured_on: str
    """The photos that it was evaluated on, for people to read."""
    method: str
    """How it learned, in a few words."""
    write: Callable[[Path], None]
    """Writes into the folder of the new version what a later run needs."""
    report: EvaluationReport
    measured: Answers
    """What the report counts."""
    familiarity: Familiarity | None = None
    """What the version is to answer beside its scores; None if it learned none."""
