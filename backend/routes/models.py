"""/models: versions, and which one is live."""

from __future__ import annotations

import asyncio
import logging

from fastapi import APIRouter

from backend.contract import Event, ModelSummary, VersionSummary
from backend.events import EventBroker
from backend.http_errors import HttpError
from backend.model_catalog import ModelCatalog
from backend.store.store import Store
from serving.errors import BackendError, ModelError
from serving.models.repository import ModelRepository

_log = logging.getLogger(__name__)


def routes(
    repository: ModelRepository, catalog: ModelCatalog, store: Store, broker: EventBroker
) -> APIRouter:
    router = APIRouter()

    @router.get("/models")
    async def models() -> list[ModelSummary]:
        return await asyncio.to_thread(catalog.models)

    @router.get("/models/{model}/versions")
    async def versions(model: str) -> list[VersionSummary]:
        """Return the versions of `model`, newest first."""
        await _check_model(model)
        return await asyncio.to_thread(catalog.versions, model)

    @router.post("/models/{model}/versions/{number}/promote")
    async def promote(model: str, number: int) -> VersionSummary:
        """Make a version the one that the fleet serves; rolling back is the same."""
        await _check_model(model)
        try:
            await asyncio.to_thread(repository.version, model, number)
        except ModelError as error:
            raise HttpError(404, error.what, error.advice) from error
        await asyncio.to_thread(repository.promote, model, number)
        # The version is live from here on, whether its promotion can be recorded or not.
        broker.publish(Event("models", model))
        try:
            await store.runs.record_promotion(model, number)
        except BackendError as error:
            _log.error("The promotion of version %s could not be recorded: %s", number, error)
        return await asyncio.to_thread(catalog.version, model, number)

    async def _check_model(model: str) -> None:
        if model not in await asyncio.to_thread(repository.models):
            raise HttpError(
                404, f"There is no model {model}.", "Choose one from the list of models."
            )

    return router
