"""`servery serve`: fleet, backend and web page without a window."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, suppress

import click

from backend.contract import DEFAULT_PORT
from desktop.backend_process import BackendHandle, ensure_backend
from desktop.commands import options
from desktop.commands.connections import open_fleet
from desktop.commands.terminal import ProgressLine, say
from desktop.formats import plural
from serving.errors import BackendError
from serving.fleet.fleet import Fleet
from serving.workspace import Workspace

MIN_UPTIME_SECONDS = 10.0
"""A backend that ends sooner than this after its start is not started again."""


@click.command()
@click.option("--instances", type=click.IntRange(min=1), help="How many.  [default: as last; 1]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the web page.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="Its port; 0: any free one.")
@options.model
@options.engine
@click.pass_obj
def serve(
    workspace: Workspace, instances: int | None, host: str, port: int, model: str, engine: str
) -> None:
    """Run without a window: fleet, backend and web page, until Ctrl+C.

    Prints the address of the web page. What it started, it stops at the end.
    """
    asyncio.run(_serve(workspace, instances, host, port, model, engine))


async def _serve(
    workspace: Workspace, instances: int | None, host: str, port: int, model: str, engine: str
) -> None:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    async with AsyncExitStack() as stack:
        fleet, _ = await stack.enter_async_context(open_fleet(workspace, model, engine))
        parts = [
            asyncio.create_task(_keep_backend(workspace, host, port, engine), name="backend"),
            asyncio.create_task(_keep_fleet(fleet, instances), name="fleet"),
        ]
        stack.push_async_callback(_cancelled, *parts)
        exited = asyncio.create_task(ending.wait(), name="signal")
        stack.push_async_callback(_cancelled, exited)
        await asyncio.wait([*parts, exited], return_when=asyncio.FIRST_COMPLETED)
        say("Stopping")
        for part in parts:
            if part.done():
                part.result()


async def _keep_fleet(fleet: Fleet, instances: int | None) -> None:
    """Have instances until cancelled, then stop them unless they were there before."""
    before = await fleet.observe()
    try:
        with ProgressLine() as report:
            view = await fleet.scale(instances or before.desired_count or 1, report)
        say(f"{plural(view.ready, 'instance')} ready on {view.engine}.")
        await fleet.run()
    finally:
        if not before.instances:
            await asyncio.shield(fleet.stop_and_remember())


async def _keep_backend(workspace: Workspace, host: str, port: int, engine: str) -> None:
    """Have a backend until cancelled; one that dies after a while is started again."""
    loop = asyncio.get_running_loop()
    while True:
        handle = await ensure_backend(workspace, host=host, port=port, engine=engine)
        began = loop.time()
        click.echo(f"Servery answers at {handle.url}")
        try:
            code = await handle.exited()
        finally:
            await asyncio.shield(handle.stop())
        if loop.time() - began < MIN_UPTIME_SECONDS:
            raise _died(handle, code)
        say(f"The backend ended with code {code}; starting it again.")


def _died(handle: BackendHandle, code: int) -> BackendError:
    return BackendError(
        f"The backend at {handle.url} ended with code {code}.",
        "Look at backend.log in the workspace's folder logs.",
    )


async def _cancelled(*tasks: asyncio.Task[object]) -> None:
    """Cancel tasks and wait until they have cleaned up."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
