"""What in a photo an answer depends on, for those who ask over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from backend.contract import Explanation
from backend.http_errors import HttpError
from serving.predict.occlusion import CELLS, occlude
from serving.predict.prediction import Prediction
from serving.text.visible import shortened

PREDICTIONS = 1 + CELLS
"""About as many as an explanation takes."""
SIDE = 544
"""Pixels of the shorter side of the photo that is explained: twice what is covered and sent, so
that compressing it once more leaves no trace."""
_BEST, _NONE = "true", "false"
_MAX_NAME = 100
"""Characters of a name in a sentence."""


def asks_to_explain(explain: str | None) -> bool:
    """Whether the parameter `explain` may ask for an explanation."""
    return bool(explain) and explain != _NONE


def explained_class(prediction: Prediction, explain: str) -> str:
    """Return the class that `explain` means: one that is ranked, or the best one.

    Raises HttpError if there is no such class.
    """
    names = [score.name for score in prediction.scores]
    if not names:
        raise HttpError(
            422,
            f"The model {prediction.model} has no classes yet, so there is nothing to explain.",
            "Say what some photos show, then learn.",
        )
    if explain in names:
        return explain
    if explain == _BEST:
        return names[0]
    raise HttpError(
        422,
        f"The answer does not rank the class {shortened(explain, _MAX_NAME)}.",
        "Name one of its classes, or send `explain=true` for the best one.",
    )


async def explain_class(
    jpeg: bytes, class_name: str, answer: Callable[[bytes], Awaitable[Prediction]]
) -> Explanation:
    """Return what in a normalized JPEG speaks for a class; for `answer` and errors see `occlude`.

    The JPEG is decoded here, so it is one that this program has made.
    """
    found = await occlude(jpeg, class_name, answer)
    return Explanation(class_name, found.score, found.lowest, found.shares, found.scale)
