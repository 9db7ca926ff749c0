"""/models: which models there are, made, renamed, duplicated, deleted and restored."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from fastapi import APIRouter

from backend.contract import DeletedModel, Event, ModelChange, ModelSummary, NewModel
from backend.events import EventBroker
from backend.http_errors import HttpError
from backend.models.catalog import ModelCatalog
from backend.models.lifecycle import ModelLifecycle
from backend.models.names import ModelNames
from serving.models.pruning import prune
from serving.models.repository import ModelRepository


@dataclass(frozen=True)
class NewName:
    """The name of a model that is made from another."""

    name: str


def routes(
    repository: ModelRepository,
    catalog: ModelCatalog,
    names: ModelNames,
    lifecycle: ModelLifecycle,
    broker: EventBroker,
) -> APIRouter:
    router = APIRouter()

    @router.get("/models")
    async def models() -> list[ModelSummary]:
        """Return every model, the current one first, then by name."""
        return await catalog.models()

    @router.post("/models", status_code=201)
    async def create(new: NewModel) -> ModelSummary:
        """Make a model with a live version 1, which has its backbone's classes or none."""
        return await catalog.model(await lifecycle.create(new))

    @router.get("/models/{model}")
    async def one(model: str) -> ModelSummary:
        """Return a model."""
        return await catalog.model(await names.find(model))

    @router.patch("/models/{model}")
    async def change(model: str, change: ModelChange) -> ModelSummary:
        """Rename a model, which goes on answering, or set how many versions stay."""
        model = await names.find(model)
        if change.keep_versions is not None:
            if change.keep_versions < 1:
                raise HttpError(
                    400, "At least one version must be kept.", "Give a number of 1 or more."
                )
            await asyncio.to_thread(keep_versions, model, change.keep_versions)
            broker.publish(Event("models", model))
        if change.name is not None:
            model = await lifecycle.rename(model, change.name)
        return await catalog.model(model)

    @router.post("/models/{model}/duplicate", status_code=201)
    async def duplicate(model: str, new: NewName) -> ModelSummary:
        """Make a model with the same versions, labels and history."""
        return await catalog.model(await lifecycle.duplicate(model, new.name))

    @router.delete("/models/{model}")
    async def delete(model: str) -> DeletedModel:
        """Delete a model with its labels and its history, until the backend ends to restore.

        Not the current one.
        """
        return await lifecycle.delete(model)

    @router.get("/deleted")
    async def deleted() -> list[DeletedModel]:
        """Return the models that can be restored, the last one deleted first."""
        return lifecycle.deleted()

    @router.post("/deleted/{token}/restore")
    async def restore(token: str) -> ModelSummary:
        """Bring a deleted model back."""
        return await catalog.model(await lifecycle.restore(token))

    def keep_versions(model: str, count: int) -> None:
        repository.change_settings(model, lambda settings: replace(settings, keep_versions=count))
        prune(repository, model)

    return router
