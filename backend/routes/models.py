"""/models: which models there are."""

from __future__ import annotations

from fastapi import APIRouter

from backend.contract import ModelSummary
from backend.models.catalog import ModelCatalog
from backend.models.names import ModelNames


def routes(catalog: ModelCatalog, names: ModelNames) -> APIRouter:
    router = APIRouter()

    @router.get("/models")
    async def models() -> list[ModelSummary]:
        """Return every model, the current one first, then by name."""
        return await catalog.models()

    @router.get("/models/{model}")
    async def one(model: str) -> ModelSummary:
        return await catalog.model(await names.find(model))

    return router
