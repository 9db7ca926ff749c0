"""/models/{model}/versions/{n}/canary: a version answers a share of the requests."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from backend.access import caller_name
from backend.canary.canaries import Canaries
from backend.contract import CanarySummary, ModelSummary, NewCanary
from backend.http_errors import HttpError
from backend.models.catalog import ModelCatalog
from backend.models.names import ModelNames
from backend.person import checked_person
from serving.errors import ModelError
from serving.fleet.version_trial import UnusableVersion
from serving.models.repository import ModelRepository


def routes(
    repository: ModelRepository, catalog: ModelCatalog, names: ModelNames, canaries: Canaries
) -> APIRouter:
    router = APIRouter(prefix="/models/{model}/versions/{number}/canary")

    @router.post("", status_code=201)
    async def start(request: Request, model: str, number: int, new: NewCanary) -> CanarySummary:
        """Let a version answer a share of the requests, once every instance has loaded it.

        It is tried before: 422 with the reason if no instance could serve it. It ends by itself
        within the time that is given; `POST …/promote` ends it for the version, and `DELETE`
        against it.
        """
        by = checked_person(new.by, caller_name(request.scope))
        model = await find(model, number)
        try:
            return await canaries.start(model, number, new, by)
        except UnusableVersion:
            raise
        except ModelError as error:
            raise HttpError(409, error.what, error.advice) from error

    @router.delete("")
    async def end(request: Request, model: str, number: int, by: str = "") -> ModelSummary:
        """Let the live version answer all requests again."""
        person = checked_person(by, caller_name(request.scope))
        model = await find(model, number)
        await canaries.end(model, number, person)
        return await catalog.model(model)

    async def find(model: str, number: int) -> str:
        name = await names.find(model)
        try:
            await asyncio.to_thread(repository.version, name, number)
        except ModelError as error:
            raise HttpError(404, error.what, error.advice) from error
        return name

    return router
