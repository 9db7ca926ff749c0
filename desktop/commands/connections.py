"""Opens what commands work on, the fleet and the backend of a workspace, and closes it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from backend.client import BackendClient
from desktop.backend_process import BackendHandle, ensure_backend
from serving.engines.choose import choose_engine
from serving.fleet.fleet import Fleet
from serving.models.repository import ModelRepository
from serving.models.starter.install import STARTER_MODEL, install_starter
from serving.predict.client import PredictClient
from serving.workspace import Workspace


@asynccontextmanager
async def open_fleet(
    workspace: Workspace, model: str, engine_name: str
) -> AsyncIterator[tuple[Fleet, PredictClient]]:
    """Yield the fleet of `model` and a client of it; the instances run on afterwards."""
    async with AsyncExitStack() as stack:
        repository = ModelRepository(workspace.create().models)
        if model == STARTER_MODEL:
            await asyncio.to_thread(install_starter, repository)
        client = PredictClient(model)
        stack.push_async_callback(client.close)
        engine = await choose_engine(engine_name, workspace)
        stack.push_async_callback(engine.close)
        yield Fleet(model, engine, repository, workspace, client), client


@asynccontextmanager
async def open_backend(workspace: Workspace) -> AsyncIterator[tuple[BackendClient, BackendHandle]]:
    """Yield a client of the backend; a backend that was started for it is stopped afterwards."""
    handle = await ensure_backend(workspace)
    try:
        async with BackendClient(handle.url) as client:
            yield client, handle
    finally:
        await handle.stop()
