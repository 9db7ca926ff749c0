"""Calls about webhooks."""

from __future__ import annotations

from dataclasses import asdict

from backend.client.connection import BackendConnection
from backend.client.paths import quoted
from backend.contract import CreatedWebhook, NewWebhook, Webhook


class WebhookCalls(BackendConnection):
    """URLs that are notified of promoted versions and unsure photos."""

    async def webhooks(self) -> list[Webhook]:
        return await self._request(list[Webhook], "GET", "/webhooks")

    async def add_webhook(self, new: NewWebhook) -> CreatedWebhook:
        """Notify a URL of what happens from now on; the secret is returned this once."""
        return await self._request(CreatedWebhook, "POST", "/webhooks", json=asdict(new))

    async def remove_webhook(self, webhook: str) -> None:
        await self._send("DELETE", f"/webhooks/{quoted(webhook)}")
