"""/models/{model}/use and /served: which models the instances load, and which one answers."""

from __future__ import annotations

from fastapi import APIRouter

from backend.contract import Event, ModelSummary
from backend.events import EventBroker
from backend.http_errors import HttpError
from backend.models.catalog import ModelCatalog
from backend.models.lifecycle import ModelSwitch
from backend.models.names import ModelNames
from serving.models.repository import ModelRepository


def routes(
    repository: ModelRepository,
    catalog: ModelCatalog,
    names: ModelNames,
    switch: ModelSwitch,
    broker: EventBroker,
) -> APIRouter:
    router = APIRouter(prefix="/models/{model}")

    @router.post("/use")
    async def use(model: str) -> ModelSummary:
        """Make a model the current one; answers once every instance has loaded it."""
        model = await names.find(model)
        await switch.use(model)
        return await changed(model)

    @router.put("/served")
    async def serve(model: str) -> ModelSummary:
        """Keep a model loaded beside the current one; answers once it is."""
        model = await names.find(model)
        await switch.serve(model)
        return await changed(model)

    @router.delete("/served")
    async def unserve(model: str) -> ModelSummary:
        """Serve a model no longer than it is the current one; the instances unload it."""
        model = await names.find(model)
        served = repository.served()
        if model == served.current and model not in served.also:
            raise HttpError(
                409, f"{model} is the current model, which answers.", "Use another model first."
            )
        await switch.unserve(model)
        return await changed(model)

    async def changed(model: str) -> ModelSummary:
        broker.publish(Event("models"))
        return await catalog.model(model)

    return router
