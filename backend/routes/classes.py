"""/models/{model}/classes: classes are renamed, merged and deleted, at once and live."""

from __future__ import annotations

from fastapi import APIRouter, Request

from backend.access import caller_name
from backend.contract import ClassChange, ClassCount, ModelSummary, NewClassName
from backend.models.catalog import ModelCatalog
from backend.models.class_changes import ClassChanges
from backend.models.names import ModelNames
from backend.person import checked_person
from backend.store.store import Store


def routes(
    changes: ClassChanges, catalog: ModelCatalog, names: ModelNames, store: Store
) -> APIRouter:
    router = APIRouter(prefix="/models/{model}")

    @router.get("/classes")
    async def classes(model: str) -> list[ClassCount]:
        """Return the classes that the live version or a label knows, by name."""
        return await changes.classes(await names.find(model))

    # A name may have a slash in it.
    @router.patch("/classes/{name:path}")
    async def rename(
        request: Request, model: str, name: str, new: NewClassName, by: str = ""
    ) -> ModelSummary:
        """Rename a class, or merge it into the one that has the new name.

        At once, in the labels and in a version of its own, which is live when this answers.
        `by` is who does it, if not the user who sends it.
        """
        model = await names.find(model)
        await changes.rename(model, name, new.name, checked_person(by, caller_name(request.scope)))
        return await catalog.model(model)

    @router.delete("/classes/{name:path}")
    async def delete(request: Request, model: str, name: str, by: str = "") -> ModelSummary:
        """Delete a class; its photos stay, without a label. As renaming it."""
        model = await names.find(model)
        await changes.delete(model, name, checked_person(by, caller_name(request.scope)))
        return await catalog.model(model)

    @router.get("/class-changes")
    async def history(model: str) -> list[ClassChange]:
        """Return what people did to classes, newest first; each can be undone."""
        return await store.classes.all(await names.find(model))

    @router.delete("/class-changes/{change}")
    async def undo(request: Request, model: str, change: int, by: str = "") -> ModelSummary:
        """Take a change of a class back, in the labels and in what is live."""
        model = await names.find(model)
        await changes.undo(model, change, checked_person(by, caller_name(request.scope)))
        return await catalog.model(model)

    return router
