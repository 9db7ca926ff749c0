"""/built-in: models that come with Servery."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from backend.contract import BuiltInSummary, Event, ModelSummary
from backend.events import EventBroker
from backend.http_errors import HttpError
from backend.models.catalog import ModelCatalog
from backend.store.store import Store
from serving.models.builtin.catalog import built_in_models
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository


def routes(
    repository: ModelRepository, catalog: ModelCatalog, store: Store, broker: EventBroker
) -> APIRouter:
    router = APIRouter()

    @router.get("/built-in")
    async def built_in() -> list[BuiltInSummary]:
        """Return the models that can be added without a network."""
        installed = await asyncio.to_thread(repository.models)
        return [
            BuiltInSummary(
                name=model.name,
                title=model.title,
                description=model.description,
                installed=model.name in installed,
                accuracy=model.accuracy,
                attribution=model.attribution,
            )
            for model in built_in_models()
        ]

    @router.post("/built-in/{name}", status_code=201)
    async def add(name: str) -> ModelSummary:
        """Add a built-in model, if it is not there; nothing serves it by that."""
        if name not in [model.name for model in built_in_models()]:
            raise HttpError(
                404, f"No model called {name} comes with Servery.", "Choose one from /built-in."
            )
        await asyncio.to_thread(install_built_in, repository, name)
        await store.models.begin(name)
        broker.publish(Event("models", name))
        return await catalog.model(name)

    return router
