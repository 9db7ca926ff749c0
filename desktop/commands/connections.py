"""Opens what commands work on, the fleet and the backend of a workspace, and closes it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from backend.client import BackendClient
from backend.contract import ModelSummary
from desktop.backend_process import BackendHandle, ensure_backend
from serving.access_token import AccessToken
from serving.engines.choose import choose_engine
from serving.errors import ModelError
from serving.fleet.fleet import Fleet
from serving.models.builtin.install import install_first_model
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.workspace import Workspace

T = TypeVar("T")


@asynccontextmanager
async def open_fleet(
    workspace: Workspace, engine_name: str
) -> AsyncIterator[tuple[Fleet, PredictClient]]:
    """Yield the workspace's fleet and a client of it; the instances run on afterwards."""
    async with AsyncExitStack() as stack:
        repository = ModelRepository(workspace.create().models)
        await asyncio.to_thread(install_first_model, repository)
        client = PredictClient(repository.served)
        stack.push_async_callback(client.close)
        engine = await choose_engine(engine_name, workspace)
        stack.push_async_callback(engine.close)
        yield Fleet(engine, repository, workspace, client), client


def with_backend(
    workspace: Workspace,
    engine: str,
    work: Callable[[BackendClient, BackendHandle], Awaitable[T]],
) -> T:
    """Return what `work` returns; a backend that was started for it is stopped afterwards."""

    async def carry_out() -> T:
        handle = await ensure_backend(workspace, engine=engine)
        try:
            async with BackendClient(handle.url, token=AccessToken(workspace.token)) as client:
                return await work(client, handle)
        finally:
            await handle.stop()

    return asyncio.run(carry_out())


async def chosen_name(client: BackendClient, name: str | None) -> str:
    """Return `name`, or else that of the current model.

    Raises BackendError, and ModelError in a workspace without a model.
    """
    chosen = name or (await client.health()).model
    if not chosen:
        raise ModelError("There is no model yet.", "Make one with `servery models new`.")
    return chosen


async def chosen_model(client: BackendClient, name: str | None) -> ModelSummary:
    """Return the model of this name, or else the current one; raises as `chosen_name`."""
    return await client.model(await chosen_name(client, name))
