"""POST /classify: what does this photo show?"""

from __future__ import annotations

from fastapi import APIRouter, Request

from backend.answering import Classifier
from backend.contract import Classification
from backend.uploads import read_upload


def routes(classifier: Classifier) -> APIRouter:
    router = APIRouter()

    @router.post("/classify")
    async def classify(request: Request) -> Classification:
        """Classify the photo in the form's field `file`, or the whole body."""
        upload = await read_upload(request)
        answer = await classifier.classify(upload.jpeg)
        return Classification(
            answer.model, answer.version, list(answer.scores), answer.milliseconds
        )

    return router
