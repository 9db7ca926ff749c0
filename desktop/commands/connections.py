"""Opens what commands work on, the fleet and the backend of a workspace, and closes it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import click

from backend.client import BackendClient
from backend.contract import ModelSummary
from desktop.backend_process import (
    LOG_NAME,
    BackendHandle,
    BackendOptions,
    ensure_backend,
    find_backend,
)
from serving.access_token import AccessToken
from serving.background import cancel_and_wait
from serving.engines.choose import choose_engine
from serving.errors import BackendError, ModelError
from serving.fleet.fleet import Fleet
from serving.models.builtin.install import install_first_model
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.workspace import Workspace

T = TypeVar("T")

RETURN_SECONDS = 20.0
"""How long the program that ran the backend may take to start it again."""


@asynccontextmanager
async def open_fleet(
    workspace: Workspace, engine_name: str
) -> AsyncIterator[tuple[Fleet, PredictClient]]:
    """Yield the workspace's fleet and a client of it; the instances run on afterwards."""
    async with AsyncExitStack() as stack:
        repository = ModelRepository(workspace.create().models)
        await asyncio.to_thread(install_first_model, repository)
        client = PredictClient(repository.served, canaries=repository.canaries)
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
        options = BackendOptions(engine=engine, started_by=f"servery {_command_name()}".strip())
        handle = await ensure_backend(workspace, options)
        try:
            async with BackendClient(handle.url, token=AccessToken(workspace.token)) as client:
                return await _cancel_on_end(work(client, handle), workspace, client, handle)
        finally:
            await handle.stop()
            handle.close()

    return asyncio.run(carry_out())


def _command_name() -> str:
    context = click.get_current_context(silent=True)
    return "" if context is None else (context.info_name or "")


async def _cancel_on_end(
    work: Awaitable[T], workspace: Workspace, client: BackendClient, handle: BackendHandle
) -> T:
    """Return what `work` returns; raises BackendError if the backend ends and no other comes.

    One that was started for this command has nobody else who would start it again.
    """
    working = asyncio.ensure_future(work)
    ended = asyncio.ensure_future(_wait_for_last_end(workspace, client, handle))
    try:
        await asyncio.wait([working, ended], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        working.cancel()
        raise BackendError(
            "The backend ended before this command did.",
            f"Labels are kept. Look at {workspace.logs / LOG_NAME}, then run the command again.",
        )
    finally:
        await cancel_and_wait(working, ended)


async def _wait_for_last_end(
    workspace: Workspace, client: BackendClient, handle: BackendHandle
) -> None:
    """Return once the backend has ended and no other program has started one in its place."""
    loop = asyncio.get_running_loop()
    while True:
        await handle.exited()
        deadline = loop.time() + RETURN_SECONDS
        found = None
        while not handle.started_here and found is None and loop.time() < deadline:
            await asyncio.sleep(0.2)
            found = await find_backend(workspace)
        if found is None:
            return
        handle = found
        client.move(handle.url)


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
