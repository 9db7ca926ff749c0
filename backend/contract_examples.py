"""Examples of what is sent and answered, for the description of the HTTP service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backend.contract import (
    BatchLabel,
    Classification,
    ClassifiedFile,
    Explanation,
    Health,
    Label,
    NewClassName,
    NewModel,
    NewWebhook,
    PhotoFolderPath,
    ProblemDetails,
)
from serving.predict.prediction import Score

_IMAGE = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"
_WHEN = "2026-01-31T09:15:00.000000+00:00"
_RESULT = Classification(
    "pets", 3, [Score("otter", 0.94), Score("beaver", 0.03)], 11.8, False, 0.91, _IMAGE
)

_EXPLANATION = Explanation(
    "otter", 0.94, 0.31, [[0.05, 1.0, 0.12], [-0.08, 0.41, 0.02], [0.0, 0.03, -0.01]], 3.55
)

EXAMPLES: tuple[Any, ...] = (
    replace(_RESULT, explanation=_EXPLANATION),
    _EXPLANATION,
    ClassifiedFile("otter.jpg", _RESULT),
    ProblemDetails(
        "urn:servery:unknown-model",
        "Unknown model",
        404,
        "There is no model birds.",
        "Choose one from the list of models.",
    ),
    Health("ok", 2, "pets", 3, 4711),
    Label(12, _IMAGE, "otter", _WHEN, model="pets", by="ann", action=9),
    BatchLabel([_IMAGE], "otter", by="ann"),
    NewClassName("sea otter"),
    NewModel("otters", "pets"),
    NewWebhook("https://example.org/servery"),
    PhotoFolderPath("/home/ann/photos"),
)
