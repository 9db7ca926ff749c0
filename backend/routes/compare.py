"""POST /models/{model}/compare: what two versions answer for the same photos."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fastapi import APIRouter

from backend.contract import Comparison
from backend.http_errors import HttpError
from backend.models.comparison import VersionComparison
from backend.models.names import ModelNames
from serving.errors import ModelError
from serving.models.repository import ModelRepository


@dataclass(frozen=True)
class CompareRequest:
    """Two versions, and photos by their SHA-256; all labelled ones if there are none."""

    versions: tuple[int, int]
    images: list[str] | None = None


def routes(
    repository: ModelRepository, comparison: VersionComparison, names: ModelNames
) -> APIRouter:
    router = APIRouter()

    @router.post("/models/{model}/compare")
    async def compare(model: str, request: CompareRequest) -> list[Comparison]:
        """Return the best answer of both versions for each photo."""
        model = await names.find(model)
        for number in request.versions:
            try:
                await asyncio.to_thread(repository.version, model, number)
            except ModelError as error:
                raise HttpError(404, error.what, error.advice) from error
        return await comparison.compare(model, request.versions, request.images)

    return router
