"""Photos and answers for tests."""

from __future__ import annotations

from pathlib import Path

from desktop.classify.photo import Photo
from serving.predict.prediction import Prediction, Score

MODEL = "pets"


def prediction(
    *scores: tuple[str, float],
    version: int = 1,
    model: str = MODEL,
    familiarity: float | None = None,
) -> Prediction:
    """Return an answer with these classes, best first."""
    ranked = tuple(Score(*score) for score in scores)
    return Prediction(model, version, ranked, "one", 12.0, familiarity)


def answered_photo(
    path: Path,
    *scores: tuple[str, float],
    label: str = "",
    version: int = 1,
    model: str = MODEL,
    familiarity: float | None = None,
) -> Photo:
    """Return a photo that has got its answer."""
    answer = prediction(*scores, version=version, model=model, familiarity=familiarity)
    labels = {model: label} if label else {}
    return Photo(path, path.name, 1.0, answer, labels, waiting=False)
