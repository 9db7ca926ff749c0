"""What a command works on: the workspace, its fleet and its backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from backend.client import BackendClient
from desktop.backend_process import BackendHandle, ensure_backend
from serving.engines.choose import choose_engine
from serving.fleet.fleet import Fleet
from serving.models.repository import ModelRepository
from serving.models.starter.install import STARTER_MODEL, install_starter
from serving.predict.client import PredictClient
from serving.workspace import Workspace


@dataclass(frozen=True)
class Session:
    """One run of the command line."""

    workspace: Workspace

    @asynccontextmanager
    async def fleet(
        self, model: str, engine_name: str
    ) -> AsyncIterator[tuple[Fleet, PredictClient]]:
        """Yield the fleet of `model` and a client of it; the fleet runs on afterwards."""
        repository = ModelRepository(self.workspace.create().models)
        if model == STARTER_MODEL:
            await asyncio.to_thread(install_starter, repository)
        repository.live(model)
        client = PredictClient(model)
        try:
            engine = await choose_engine(engine_name, self.workspace)
            yield Fleet(model, engine, repository, self.workspace, client), client
        finally:
            await client.close()

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[tuple[BackendClient, BackendHandle]]:
        """Yield a client of the backend; one that was started for it is stopped afterwards."""
        handle = await ensure_backend(self.workspace)
        try:
            async with BackendClient(handle.url) as client:
                yield client, handle
        finally:
            await handle.stop()
