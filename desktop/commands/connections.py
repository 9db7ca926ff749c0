"""What a command works on: the fleet and the backend of a workspace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
    repository = ModelRepository(workspace.create().models)
    if model == STARTER_MODEL:
        await asyncio.to_thread(install_starter, repository)
    client = PredictClient(model)
    try:
        engine = await choose_engine(engine_name, workspace)
        yield Fleet(model, engine, repository, workspace, client), client
    finally:
        await client.close()


@asynccontextmanager
async def open_backend(workspace: Workspace) -> AsyncIterator[tuple[BackendClient, BackendHandle]]:
    """Yield a client of the backend; one that was started for it is stopped afterwards."""
    handle = await ensure_backend(workspace)
    try:
        async with BackendClient(handle.url) as client:
            yield client, handle
    finally:
        await handle.stop()
