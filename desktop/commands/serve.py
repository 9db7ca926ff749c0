"""`servery serve`: fleet, backend and web page without a window."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import click

from backend.contract import (
    DATABASE_VARIABLE,
    DEFAULT_MEMORY_BUDGET,
    DEFAULT_PORT,
    parse_memory_budget,
)
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
from desktop.commands.terminal import ProgressLine, json_line, print_event, print_message
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
from serving.secret_setting import secret_setting
from serving.signals import on_end_signals
from serving.tls_certificate import CertificateFiles
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
@click.option(
    "--database",
    metavar="URL",
    help="PostgreSQL to keep labels and training runs in: postgresql://USER:PASSWORD@HOST/NAME;"
    f" better in the variable {DATABASE_VARIABLE}.  [default: SQLite in the workspace]",
)
@click.option(
    "--tls-certificate",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Certificate in PEM form, with those that it is signed by: connections are encrypted.",
)
@click.option(
    "--tls-key",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The key of the certificate, in PEM form.",
)
@click.option("--model", metavar="NAME", help="Make this model the current one.")
@options.fleet
@options.as_json_lines
def serve(
    target: FleetTarget,
    instances: int | None,
    host: str | None,
    port: int | None,
    allow_hosts: tuple[str, ...],
    memory_budget: int | None,
    database: str | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Run fleet, backend and web page without a window, until Ctrl+C.

    Prints the address of the web page. What this command started is stopped at the end. If a
    backend of the workspace runs already, it is used, unless it has another --host, --port,
    --memory-budget or --database than asked for.
    """
    workspace = target.workspace.create()
    address = ListenAddress.resolve(LOOPBACK if host is None else host)
    address.check(AccessToken(workspace.token))
    certificate = _certificate(tls_certificate, tls_key)
    names = tuple(checked_host_name(name) for name in allow_hosts)
    for sentence in (
        *access_warnings(workspace.root),
        address.warning(encrypted=certificate is not None),
    ):
        if sentence:
            print_message(sentence)
    options = BackendOptions(
        host=host,
        port=port,
        engine=target.engine,
        allow_hosts=names,
        memory_budget=memory_budget,
        database=database or secret_setting(DATABASE_VARIABLE) or None,
        certificate=certificate,
        started_by=NAME,
    )
    announce = partial(_announce, options, as_json=as_json)
    asyncio.run(_serve(target, instances, options, model, announce))


def _certificate(certificate: Path | None, key: Path | None) -> CertificateFiles | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError("--tls-certificate and --tls-key go together.")
    files = CertificateFiles(certificate, key)
    files.context()  # says what is wrong with them
    return files


async def _serve(
    target: FleetTarget,
    instances: int | None,
    options: BackendOptions,
    model: str | None,
    announce: Callable[[str], None],
) -> None:
    await check_running_backend(target.workspace, options)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # To the very end: a second signal would otherwise cut short what the first one began.
    with on_end_signals(lambda number: loop.call_soon_threadsafe(stop.set), then_ignore=True):
        async with (
            target.open() as (fleet, _),
            in_background(_run_backend(target, options, announce), name="backend") as backend,
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


async def _run_backend(
    target: FleetTarget, options: BackendOptions, announce: Callable[[str], None]
) -> None:
    """Run a backend until cancelled; raise BackendError if it does not come up at first.

    `announce` gets its address, and every other one that it gets later.
    """
    announced = ""

    def on_url(url: str) -> None:
        nonlocal announced
        if url and url != announced:
            announced = url
            announce(url)

    async with supervised_backend(
        target.workspace,
        options,
        on_url=on_url,
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


def _announce(options: BackendOptions, url: str, *, as_json: bool) -> None:
    """Print the addresses at which the backend answers."""
    elsewhere = _urls_elsewhere(options, url)
    if as_json:
        print_event(json_line({"url": url, "urls_elsewhere": elsewhere}))
        return
    print_event(f"Servery answers at {url}")
    for other in elsewhere:
        print_event(f"Other machines reach it at {other}")


def _urls_elsewhere(options: BackendOptions, url: str) -> list[str]:
    """Return the addresses, besides `url`, at which the backend answers."""
    if options.host is None:
        return []
    parts = urlsplit(url)
    address = ListenAddress.resolve(options.host)
    found = address.urls_elsewhere(parts.port or 0, encrypted=parts.scheme == "https")
    return [each for each in found if each != url]


def _owner_sentence(backend: BackendHandle) -> str:
    if backend.left:
        return f"The backend that {backend.left} left running is used."
    return f"The backend that runs already is used; it is run by {backend.owner}."
