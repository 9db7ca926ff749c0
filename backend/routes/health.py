"""GET /healthz: does it run? GET /health and GET /readyz: can a photo be classified now?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from backend.access import HEALTH_PATH
from backend.contract import Health
from backend.http_errors import HttpError
from backend.models.catalog import ModelCatalog
from backend.training.trainer import Trainer
from serving.models.faults import VersionFault
from serving.models.repository import ModelRepository


def routes(
    repository: ModelRepository,
    ready_instances: Callable[[], int],
    catalog: ModelCatalog,
    trainer: Trainer,
) -> APIRouter:
    router = APIRouter()

    @router.get(HEALTH_PATH, response_class=PlainTextResponse)
    async def alive() -> PlainTextResponse:
        """Answer "ok" to anybody: the backend runs, whatever the models and instances do."""
        return PlainTextResponse("ok", headers={"Cache-Control": "no-store"})

    @router.get("/health")
    async def health() -> Health:
        """Report whether the current model could classify a photo now.

        200 whenever the backend works.
        """
        return await state()

    @router.get("/readyz")
    async def ready() -> Health:
        """200 if the current model could classify a photo now, else 503 with the reason.

        `status` says what is wrong with the live version if another one answers for it.
        """
        found = await state()
        if not (found.instances_ready and found.live_version):
            fault = await fault_of(found.model, found.live_version)
            advice = "Make a model, or start instances with `servery fleet start`."
            raise HttpError(503, found.status, fault.advice if fault else advice)
        return found

    async def state() -> Health:
        model = repository.served().current
        live = await asyncio.to_thread(repository.live_number, model) if model else None
        ready = ready_instances()
        fault = await fault_of(model, live)
        if not model:
            status = "There is no model yet."
        elif live is None:
            status = f"No version of model {model} is live."
        elif fault is not None:
            fallback = await asyncio.to_thread(repository.fallback, model)
            answers = f"Version {fallback} answers." if ready and fallback else "Nothing answers."
            status = f"{fault.what} {answers}"
        elif ready == 0:
            status = "No instance is ready, so photos cannot be classified."
        else:
            status = "ok"
        return Health(status, ready, model, live, os.getpid(), trainer.interrupted)

    async def fault_of(model: str, live: int | None) -> VersionFault | None:
        if not model or live is None:
            return None
        return await asyncio.to_thread(repository.fault, model, live)

    return router
