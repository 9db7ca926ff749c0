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
from serving.models.version_trust import trust_version, untrusted_parts, withdraw_trust


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
        await asyncio.to_thread(trust_version, repository, name, number)
        broker.publish(Event("models", name))
        return await summary(name, number)

    @router.delete("", status_code=204)
    async def withdraw(model: str, number: int) -> None:
        """Trust a version no longer; instances that have loaded it keep it until they load again.

        404 if it was not trusted. Other machines may do that too: it takes a right away.
        """
        name = await find(model, number)
        if not await asyncio.to_thread(withdraw_trust, repository, name, number):
            raise HttpError(
                404,
                f"Version {number} of {name} is not one of those that you trusted.",
                "Nothing has to be withdrawn.",
            )
        broker.publish(Event("models", name))

    async def summary(name: str, number: int) -> TrustSummary:
        parts = await asyncio.to_thread(untrusted_parts, repository, name, number)
        return TrustSummary(name, number, parts)

    async def find(model: str, number: int) -> str:
        name = await names.find(model)
        try:
            await asyncio.to_thread(repository.version, name, number)
        except ModelError as error:
            raise HttpError(404, error.what, error.advice) from error
        return name

    return router
