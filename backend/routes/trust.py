"""/models/{model}/versions/{number}/trust: whether a version may do more than compute."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from backend.contract import Event, TrustSummary
from backend.events import EventBroker
from backend.http_errors import HttpError
from backend.models.names import ModelNames
from backend.this_machine import is_on_this_machine
from serving.errors import ModelError
from serving.models.repository import ModelRepository


def routes(repository: ModelRepository, names: ModelNames, broker: EventBroker) -> APIRouter:
    router = APIRouter(prefix="/models/{model}/versions/{number}/trust")

    @router.get("")
    async def look(model: str, number: int) -> TrustSummary:
        """Return what in a version can do more than compute, unless it is trusted."""
        return await summary(await find(model, number), number)

    @router.post("")
    async def trust(model: str, number: int, request: Request) -> TrustSummary:
        """Trust a version, as its files are now; only on this machine.

        The token may have been read on its way from another one.
        """
        if not is_on_this_machine(request):
            raise HttpError(
                403,
                "That a model is trusted can only be said on the machine that Servery runs on.",
                "Run `servery models trust` there.",
            )
        name = await find(model, number)
        await asyncio.to_thread(repository.trust, name, number)
        broker.publish(Event("models", name))
        return await summary(name, number)

    async def summary(name: str, number: int) -> TrustSummary:
        parts = await asyncio.to_thread(repository.unsafe_parts, name, number)
        return TrustSummary(name, number, parts)

    async def find(model: str, number: int) -> str:
        name = await names.find(model)
        try:
            await asyncio.to_thread(repository.version, name, number)
        except ModelError as error:
            raise HttpError(404, error.what, error.advice) from error
        return name

    return router
