"""POST /classify: what does this photo show?"""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter, Request

from backend.contract import Classification
from backend.models.names import ModelNames
from backend.photos.disconnect import cancel_on_disconnect
from backend.uploads import Upload, Uploads
from serving.errors import ModelNotServed
from serving.predict.prediction import Prediction


class Classifier(Protocol):
    """The part of PredictClient that the service needs."""

    async def classify(self, jpeg: bytes, model: str | None = None) -> Prediction:
        """Classify a normalized JPEG with a served model, or with the current one.

        Raises ImageError, ModelNotServed, ModelError, FleetUnavailable.
        """
        ...


def routes(classifier: Classifier, names: ModelNames, uploads: Uploads) -> APIRouter:
    router = APIRouter()

    @router.post("/classify")
    async def classify(request: Request, model: str | None = None) -> Classification:
        """Classify the photo in the form's field `file`, or the whole body.

        `model` names a served model; without it the current one answers.
        """
        async with uploads.photo(request) as upload:
            requested = upload.fields.get("model") or model
            prediction = await cancel_on_disconnect(request, answer(upload, requested))
        return Classification(
            prediction.model,
            prediction.version,
            list(prediction.scores),
            prediction.milliseconds,
            prediction.is_unsure(),
            prediction.familiarity,
        )

    async def answer(upload: Upload, requested: str | None) -> Prediction:
        # Not the name of the current one, which may have changed by the time it answers.
        found = await names.find(requested) if requested else None
        try:
            return await classifier.classify(upload.jpeg, found)
        except ModelNotServed:
            renamed = await names.find(requested)
            if renamed == found:
                raise
            return await classifier.classify(upload.jpeg, renamed)

    return router
