"""/webhooks: URLs that are notified of promoted versions and unsure photos."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from backend.contract import CreatedWebhook, NewWebhook, Webhook
from backend.webhooks.registry import WebhookRegistry
from backend.webhooks.sender import WebhookSender


def routes(registry: WebhookRegistry, sender: WebhookSender) -> APIRouter:
    router = APIRouter(prefix="/webhooks")
    changing = asyncio.Lock()

    @router.get("")
    async def webhooks() -> list[Webhook]:
        """Return the webhooks, without their secrets, the oldest first."""
        return sender.all()

    @router.post("", status_code=201)
    async def add(new: NewWebhook) -> CreatedWebhook:
        """Tell a URL of what happens from now on; its messages are signed with the secret.

        Messages are as the Standard Webhooks specification has them. One that is not answered
        2xx within 15 s is sent again after 1, 5, 30, 120 and 600 s. No redirect to another host
        is followed.
        """
        async with changing:
            added = await asyncio.to_thread(registry.add, new)
        (webhook,) = (each for each in sender.all() if each.id == added.id)
        return CreatedWebhook(webhook, added.secret)

    @router.delete("/{webhook}", status_code=204)
    async def remove(webhook: str) -> None:
        """Tell a URL nothing more."""
        async with changing:
            await asyncio.to_thread(registry.remove, webhook)
        sender.all()  # ends what is being sent to it

    return router
