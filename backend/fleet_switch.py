"""Which models the fleet's instances load, changed one step at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from serving.models.repository import ModelRepository
from serving.models.served import ServedModels


class FleetSwitch:
    """Changes which models are served; one change ends before the next begins."""

    def __init__(self, repository: ModelRepository) -> None:
        self._repository = repository
        self._changing = asyncio.Lock()

    async def use(self, model: str) -> None:
        """Make a model the current one."""
        await self._change(lambda served: ServedModels(model, served.without(model).also))

    async def serve(self, model: str) -> None:
        """Keep a model loaded beside the current one."""
        await self._change(
            lambda served: replace(served, also=tuple(dict.fromkeys((*served.also, model))))
        )

    async def unserve(self, model: str) -> None:
        """Let the instances unload a model that is not the current one."""
        await self._change(lambda served: served.without(model))

    async def _change(self, change: Callable[[ServedModels], ServedModels]) -> None:
        async with self._changing:
            await asyncio.to_thread(self._repository.change_served, change)
