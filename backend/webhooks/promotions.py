"""Notifies webhooks of versions that were promoted, by whatever did that."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

from backend.contract import WebhookTopic
from backend.events import EventBroker
from backend.webhooks.sender import WebhookSender
from serving.errors import ServeryError
from serving.models.repository import ModelRepository

POLL_SECONDS = 30.0
"""How long a promotion by another program may stay unseen."""

_log = logging.getLogger(__name__)


class PromotionNotifier:
    """Watches which versions are live."""

    def __init__(
        self, repository: ModelRepository, sender: WebhookSender, broker: EventBroker
    ) -> None:
        self._repository, self._sender, self._broker = repository, sender, broker
        self._live: dict[str, int] | None = None

    async def run(self) -> None:
        """Look after each change of a model, until cancelled."""
        await self.look()
        async for event in self._broker.listen(POLL_SECONDS):
            if event is None or event.topic == "models":
                await self.look()

    async def look(self) -> None:
        """Notify webhooks of what was promoted since the last look; of nothing at the first one."""
        try:
            live = await asyncio.to_thread(self._read)
        except (ServeryError, OSError) as error:
            _log.warning("Whether a version was promoted could not be seen: %s", error)
            return
        before, self._live = self._live, live
        for model, version in live.items() if before is not None else ():
            former = (before or {}).get(model)
            if former != version:
                data = {"model": model, "version": version, "former_version": former}
                self._sender.notify(WebhookTopic.PROMOTED, partial(dict[str, Any], data))

    def _read(self) -> dict[str, int]:
        found = {model: self._repository.live_number(model) for model in self._repository.models()}
        return {model: version for model, version in found.items() if version is not None}
