"""`servery serve`: fleet, backend and web page without a window."""

from __future__ import annotations

import asyncio
import signal

import click

from backend.contract import DEFAULT_PORT
from desktop.backend_supervisor import supervised_backend
from desktop.commands import options
from desktop.commands.options import FleetTarget
from desktop.commands.terminal import ProgressLine, print_line, print_message
from desktop.formats import plural
from serving.background import in_background
from serving.fleet.fleet import Fleet
from serving.fleet.switch_model import use_model
from serving.models.repository import ModelRepository


@click.command()
@click.option(
    "--instances",
    type=click.IntRange(min=1),
    help="Number of instances.  [default: as many as the last time, or 1]",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address that the web page listens on."
)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    help="Port that the web page listens on; 0 for any free port.",
)
@click.option("--model", metavar="NAME", help="Make this model the current one.")
@options.fleet
def serve(
    target: FleetTarget, instances: int | None, host: str, port: int, model: str | None
) -> None:
    """Run fleet, backend and web page without a window, until Ctrl+C.

    Prints the address of the web page. What this command started is stopped at the end.
    """
    asyncio.run(_serve(target, instances, host, port, model))


async def _serve(
    target: FleetTarget, instances: int | None, host: str, port: int, model: str | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with (
        target.open() as (fleet, _),
        in_background(_run_backend(target, host, port), name="backend") as backend,
        in_background(_run_fleet(target, fleet, instances, model), name="fleet") as running_fleet,
        in_background(stop.wait(), name="signal") as stopped,
    ):
        await asyncio.wait([backend, running_fleet, stopped], return_when=asyncio.FIRST_COMPLETED)
        print_message("Stopping")


async def _run_fleet(
    target: FleetTarget, fleet: Fleet, instances: int | None, model: str | None
) -> None:
    """Run instances until cancelled; then stop them, unless some were running before."""
    before = await fleet.observe()
    try:
        with ProgressLine() as report:
            if model is not None:
                repository = ModelRepository(target.workspace.models)
                await use_model(fleet, repository, model, report)
            view = await fleet.scale(instances or before.desired_count or 1, report)
        print_message(f"{plural(view.ready, 'instance')} ready on {view.engine}.")
        await fleet.run()
    finally:
        if not before.instances:
            await asyncio.shield(fleet.stop_and_remember())


async def _run_backend(target: FleetTarget, host: str, port: int) -> None:
    """Run a backend until cancelled; raise BackendError if it cannot be kept running."""
    failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with supervised_backend(
        target.workspace, target.engine, host=host, port=port, on_error=failure.set_exception
    ) as url:
        print_line(f"Servery answers at {url}")
        await failure
