"""GET /health: can a photo be classified now?"""

from __future__ import annotations

import os
from collections.abc import Callable

from fastapi import APIRouter

from backend.contract import Health
from backend.models.catalog import ModelCatalog


def routes(
    current_model: Callable[[], str], ready_instances: Callable[[], int], catalog: ModelCatalog
) -> APIRouter:
    router = APIRouter()

    @router.get("/health")
    async def health() -> Health:
        """Report whether the current model could classify a photo now.

        200 whenever the backend works.
        """
        model = current_model()
        live = await catalog.live_number(model) if model else None
        ready = ready_instances()
        if not model:
            status = "There is no model yet."
        elif live is None:
            status = f"No version of model {model} is live."
        elif ready == 0:
            status = "No instance is ready, so photos cannot be classified."
        else:
            status = "ok"
        return Health(status, ready, model, live, os.getpid())

    return router
