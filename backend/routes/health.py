"""GET /health: is everything there that an answer needs?"""

from __future__ import annotations

import asyncio
import os

from fastapi import APIRouter

from backend.answering import ReadyInstances
from backend.contract import Health
from backend.model_catalog import ModelCatalog


def routes(model: str, fleet: ReadyInstances, catalog: ModelCatalog) -> APIRouter:
    router = APIRouter()

    @router.get("/health")
    async def health() -> Health:
        """Say whether a photo could be classified now; 200 whenever the backend works."""
        live = await asyncio.to_thread(catalog.live_number, model)
        ready = fleet.ready
        if live is None:
            status = f"No version of model {model} is live."
        elif ready == 0:
            status = "No instance is ready, so photos cannot be classified."
        else:
            status = "ok"
        return Health(status, ready, model, live, os.getpid())

    return router
