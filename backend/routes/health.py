"""GET /health: can a photo be classified now?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from fastapi import APIRouter

from backend.contract import Health
from backend.model_catalog import ModelCatalog


def routes(model: str, ready_instances: Callable[[], int], catalog: ModelCatalog) -> APIRouter:
    router = APIRouter()

    @router.get("/health")
    async def health() -> Health:
        """Report whether a photo could be classified now; 200 whenever the backend works."""
        live = await asyncio.to_thread(catalog.live_number, model)
        ready = ready_instances()
        if live is None:
            status = f"No version of model {model} is live."
        elif ready == 0:
            status = "No instance is ready, so photos cannot be classified."
        else:
            status = "ok"
        return Health(status, ready, model, live, os.getpid())

    return router
