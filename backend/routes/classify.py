"""POST /classify: what does this photo show?"""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter, Request

from backend.contract import Classification
from backend.uploads import read_upload
from serving.predict.prediction import Prediction


class Classifier(Protocol):
    """The part of PredictClient that the service needs."""

    async def classify(self, jpeg: bytes) -> Prediction:
        """Classify a normalized JPEG; raises ImageError, ModelError, FleetUnavailable."""
        ...


def routes(classifier: Classifier) -> APIRouter:
    router = APIRouter()

    @router.post("/classify")
    async def classify(request: Request) -> Classification:
        """Classify the photo in the form's field `file`, or the whole body."""
        upload = await read_upload(request)
        prediction = await classifier.classify(upload.jpeg)
        return Classification(
            prediction.model, prediction.version, list(prediction.scores), prediction.milliseconds
        )

    return router
