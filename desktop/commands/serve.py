"""`servery serve`: fleet, backend and web page without a window."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import click

from backend.contract import DEFAULT_MEMORY_BUDGET, DEFAULT_PORT, parse_memory_budget
from desktop.backend_process import (
    LOOPBACK,
    BackendHandle,
    BackendOptions,
    check_running_backend,
    interrupted_runs,
)
from desktop.backend_supervisor import supervised_backend
from desktop.commands import options
from desktop.commands.options import FleetTarget
from desktop.commands.terminal import ProgressLine, print_event, print_message
from desktop.formats import plural
from desktop.left_running import fleet_sentence, runs_sentence
from desktop.running_programs import registered
from serving.access_token import AccessToken
from serving.background import in_background
from serving.fleet.fleet import Fleet
from serving.fleet.switch_model import use_model
from serving.listen_address import ListenAddress, checked_host_name
from serving.models.repository import ModelRepository
from serving.private import access_warnings
from serving.signals import on_end_signals
from serving.units import format_bytes

NAME = "servery serve"


def _budget(text: str) -> int:
    try:
        return parse_memory_budget(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option(
    "--instances",
    type=click.IntRange(min=1),
    help="Number of instances.  [default: as many as the last time, or 1]",
)
@click.option(
    "--host",
    show_default=LOOPBACK,
    help="Address that the web page listens on; beyond loopback, `servery token` comes first.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    show_default=str(DEFAULT_PORT),
    help="Port that the web page listens on; 0 for any free port.",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="NAME",
    help="A host name, besides localhost, by which browsers reach the web page; repeatable.",
)
@click.option(
    "--memory-budget",
    type=_budget,
    metavar="SIZE",
    help="Memory that photos in flight may take; more of them wait, then are refused."
    f"  [default: {format_bytes(DEFAULT_MEMORY_BUDGET)}]",
)
@click.option("--model", metavar="NAME", help="Make this model the current one.")
@options.fleet
def serve(
    target: FleetTarget,
    instances: int | None,
    host: str | None,
    port: int | None,
    allow_hosts: tuple[str, ...],
    memory_budget: int | None,
    model: str | None,
) -> None:
    """Run fleet, backend and web page without a window, until Ctrl+C.

    Prints the address of the web page. What this command started is stopped at the end. If a
    backend of the workspace runs already, it is used, unless it has another --host, --port or
    --memory-budget than asked for.
    """
    workspace = target.workspace.create()
    address = ListenAddress.resolve(LOOPBACK if host is None else host)
    address.check(AccessToken(workspace.token))
    names = tuple(checked_host_name(name) for name in allow_hosts)
    for sentence in (*access_warnings(workspace.root), address.warning()):
        if sentence:
            print_message(sentence)
    options = BackendOptions(
        host=host,
        port=port,
        engine=target.engine,
        allow_hosts=names,
        memory_budget=memory_budget,
        started_by=NAME,
    )
    asyncio.run(_serve(target, instances, options, model))


async def _serve(
    target: FleetTarget, instances: int | None, options: BackendOptions, model: str | None
) -> None:
    await check_running_backend(target.workspace, options)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # To the very end: a second signal would otherwise cut short what the first one began.
    with on_end_signals(lambda number: loop.call_soon_threadsafe(stop.set), then_ignore=True):
        async with (
            target.open() as (fleet, _),
            in_background(_run_backend(target, options), name="backend") as backend,
            in_background(_run_fleet(target, fleet, instances, model), name="fleet") as running,
            in_background(stop.wait(), name="signal") as stopped,
        ):
            await asyncio.wait([backend, running, stopped], return_when=asyncio.FIRST_COMPLETED)
            print_message("Stopping")


async def _run_fleet(
    target: FleetTarget, fleet: Fleet, instances: int | None, model: str | None
) -> None:
    """Run instances until cancelled; then stop them, unless they are others' to stop.

    Those that ran before are, except that a program which would have stopped them was killed or
    has ended since.
    """
    with registered(target.workspace, NAME) as program:
        before = await fleet.observe()
        found = len(before.instances)
        if sentence := fleet_sentence(found, program.others, program.killed):
            print_message(sentence)
        program.set_stops_fleet(not found or program.inherits_fleet)
        try:
            with ProgressLine() as report:
                if model is not None:
                    repository = ModelRepository(target.workspace.models)
                    await use_model(fleet, repository, model, report)
                view = await fleet.scale(instances or before.desired_count or 1, report)
            print_message(f"{plural(view.ready, 'instance')} ready on {view.engine}.")
            await fleet.run()
        finally:
            if program.leave() and program.stops_fleet:
                await asyncio.shield(fleet.stop_and_remember())


async def _run_backend(target: FleetTarget, options: BackendOptions) -> None:
    """Run a backend until cancelled; raise BackendError if it does not come up at first."""
    announced = ""

    def announce(url: str) -> None:
        nonlocal announced
        if url and url != announced:
            announced = url
            print_event(f"Servery answers at {url}")
            for other in _urls_elsewhere(options, url):
                print_event(f"Other machines reach it at {other}")

    async with supervised_backend(
        target.workspace,
        options,
        on_url=announce,
        on_error=lambda error: print_message(str(error)),
        on_recovered=lambda: print_message("The backend is running again."),
    ) as supervisor:
        if supervisor.handle is not None:
            if not supervisor.handle.started_here:
                print_message(_owner_sentence(supervisor.handle))
            if sentence := runs_sentence(
                await interrupted_runs(target.workspace, supervisor.handle)
            ):
                print_message(sentence)
        await asyncio.Event().wait()


def _urls_elsewhere(options: BackendOptions, url: str) -> list[str]:
    """Return the addresses, besides `url`, at which the backend answers."""
    if options.host is None:
        return []
    found = ListenAddress.resolve(options.host).urls_elsewhere(urlsplit(url).port or 0)
    return [each for each in found if each != url]


def _owner_sentence(backend: BackendHandle) -> str:
    if backend.left:
        return f"The backend that {backend.left} left running is used."
    return f"The backend that runs already is used; it is run by {backend.owner}."
