"""`python -m backend`: the backend as a program."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from backend.canary.canaries import Canaries
from backend.contract import (
    DEFAULT_MEMORY_BUDGET,
    DEFAULT_PORT,
    EXIT_ALREADY_RUNNING,
    parse_memory_budget,
)
from backend.ending import Shutdown, ending
from backend.events import EventBroker
from backend.fleet_switch import FleetSwitch
from backend.fleet_watch import follow_engine, publish_faults, watch_fleet
from backend.http_app import create_app
from backend.labelling.suggestions import Suggestions
from backend.models.class_changes import ClassChanges
from backend.models.comparison import VersionComparison
from backend.models.imports import PhotoImports
from backend.models.lifecycle import ModelLifecycle
from backend.models.names import ModelNames
from backend.opening import keep_run_file, opened
from backend.photos.budget import PhotoBudget
from backend.photos.idle_memory import return_memory_when_idle
from backend.photos.photo_decoder import PhotoDecoder
from backend.rollouts import Rollouts
from backend.run_file import AlreadyRunning, BackendRunFile, backend_lock
from backend.server import Server, listening_socket, url_of
from backend.store.store import Store
from backend.sweeping import keep_swept
from backend.training.trainer import Trainer
from backend.training.triggers import TrainingTriggers
from serving.access_token import AccessToken
from serving.background import in_background
from serving.engines.choose import awaited_engine
from serving.engines.names import AUTO, ENGINE_CHOICES
from serving.engines.switch import EngineSwitch
from serving.errors import ServeryError, system_error
from serving.fleet.fleet import Fleet
from serving.fleet.switch_model import end_interrupted_switch
from serving.http.limits import DEFAULT_LIMITS, HttpLimits
from serving.listen_address import ListenAddress, checked_host_name
from serving.model_server.log_limit import limit_own_log
from serving.models.builtin.install import install_first_model
from serving.models.pruning import sweep_models
from serving.models.repository import ModelRepository
from serving.parent import PARENT_PIPE_FLAG
from serving.predict.client import PredictClient
from serving.private import set_private_umask
from serving.process_identity import process_identity
from serving.text.log_lines import log_lines, print_line
from serving.units import format_bytes
from serving.workspace import Workspace

EXIT_FAILED = 1
LAST_PORT = 65535

log = logging.getLogger(__name__)


def main() -> int:
    set_private_umask()
    log_lines("%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        arguments = _parse_arguments()
        logs = Workspace.named(arguments.workspace).logs
        limit_own_log(lambda file: file.parent == logs)
        asyncio.run(serve(arguments))
    except asyncio.CancelledError:  # asked to end while it was starting
        return 0
    except ServeryError as error:
        print_line(str(error))
        return EXIT_ALREADY_RUNNING if isinstance(error, AlreadyRunning) else EXIT_FAILED
    except (OSError, MemoryError, RuntimeError) as error:
        failure = system_error(error)
        if failure is None:
            raise
        print_line(str(failure))
        return EXIT_FAILED
    return 0


async def serve(arguments: argparse.Namespace) -> None:
    """Run until a signal ends it, or the end of the program that started it.

    Raises ServeryError if it cannot start, CancelledError if it is to end before it listens.
    """
    with ending(arguments.parent_pipe) as shutdown:
        await _serve(arguments, shutdown)


async def _serve(arguments: argparse.Namespace, shutdown: Shutdown) -> None:
    workspace = Workspace.named(arguments.workspace).create()
    # Whatever came into it by other ways since: a copy of it that was put back, a wide umask.
    await asyncio.to_thread(workspace.tighten)
    address = ListenAddress.resolve(arguments.host)
    address.check(AccessToken(workspace.token))
    if address.warning():
        log.warning("%s", address.warning())
    hosts = [checked_host_name(name) for name in arguments.allow_host]
    owner_pid = os.getppid()
    owner_identity = process_identity(owner_pid)
    broker = EventBroker()
    with (
        backend_lock(workspace),
        listening_socket(address.host, arguments.port, exact_port=arguments.exact_port) as listener,
    ):
        url = url_of(listener)

        listening = asyncio.Event()
        run_file = BackendRunFile(
            os.getpid(),
            url,
            identity=process_identity(os.getpid()),
            host=address.host,
            started_by=arguments.started_by,
            owner_pid=owner_pid,
            owner_identity=owner_identity,
            allow_hosts=hosts,
            memory_budget=arguments.memory_budget,
        )

        def on_listening() -> None:
            with contextlib.suppress(OSError):  # tried again by `keep_run_file`
                run_file.write(workspace)
            listening.set()
            print_line(f"The backend listens at {url}")

        budget = PhotoBudget.of(arguments.memory_budget)
        async with application(workspace, arguments.engine, hosts, broker, budget) as app:
            limits = HttpLimits(
                connections=arguments.max_connections,
                head_seconds=arguments.head_seconds,
                body_seconds=arguments.body_seconds,
                response_seconds=arguments.body_seconds,
            )
            server = Server(app, on_listening, broker.close, limits)
            shutdown.set_server(server)
            async with in_background(keep_run_file(workspace, run_file, listening)):
                await server.serve([listener])


@asynccontextmanager
async def application(
    workspace: Workspace,
    engine_name: str,
    hosts: Sequence[str],
    broker: EventBroker,
    budget: PhotoBudget,
) -> AsyncIterator[FastAPI]:
    """Build everything in order, and take it down in the reverse order."""
    async with AsyncExitStack() as stack:
        repository = ModelRepository(workspace.models)
        store = Store(workspace)
        stack.push_async_callback(store.close)
        classifier = PredictClient(repository.served, canaries=repository.canaries, timeout=5.0)
        stack.push_async_callback(classifier.close)
        # First, so that the fleet finds a model; the rest comes where everything is built.
        make_usable = partial(asyncio.to_thread, _make_usable, repository)
        await stack.enter_async_context(opened((make_usable,)))
        engine = EngineSwitch(await awaited_engine(engine_name, workspace))
        stack.push_async_callback(engine.close)
        fleet = Fleet(engine, repository, workspace, classifier)
        stack.callback(publish_faults(fleet, broker))
        await stack.enter_async_context(in_background(end_interrupted_switch(repository)))
        await stack.enter_async_context(in_background(watch_fleet(fleet)))
        await stack.enter_async_context(in_background(keep_swept(workspace)))
        await stack.enter_async_context(in_background(follow_engine(engine, workspace)))
        trainer = Trainer(store=store, repository=repository, workspace=workspace, broker=broker)
        names, switch = ModelNames(repository, store), FleetSwitch(fleet, repository)
        canaries = Canaries(
            repository=repository,
            store=store,
            switch=switch,
            broker=broker,
            view=lambda: fleet.view,
        )
        rollouts = Rollouts(lambda: fleet.view, broker)
        lifecycle = ModelLifecycle(
            repository=repository,
            store=store,
            trainer=trainer,
            names=names,
            switch=switch,
            broker=broker,
        )
        stack.push_async_callback(lifecycle.close)
        class_changes = ClassChanges(
            repository=repository,
            store=store,
            trainer=trainer,
            switch=switch,
            broker=broker,
            workspace=workspace,
        )
        stack.push_async_callback(trainer.close)
        decoder = PhotoDecoder(budget)
        stack.push_async_callback(decoder.close)
        await stack.enter_async_context(in_background(return_memory_when_idle(budget)))
        imports = PhotoImports(trainer, workspace)
        await stack.enter_async_context(
            opened((imports.open, class_changes.open, trainer.open, lifecycle.open))
        )
        triggers = TrainingTriggers(store, trainer, broker, repository.models)
        await stack.enter_async_context(in_background(triggers.run()))
        await stack.enter_async_context(in_background(canaries.run()))
        await stack.enter_async_context(in_background(rollouts.run()))
        yield create_app(
            store=store,
            classifier=classifier,
            ready_instances=lambda: fleet.view.ready,
            trainer=trainer,
            names=names,
            lifecycle=lifecycle,
            class_changes=class_changes,
            switch=switch,
            comparison=VersionComparison(repository, store, workspace),
            suggestions=Suggestions(repository, store, workspace),
            imports=imports,
            canaries=canaries,
            rollouts=rollouts,
            repository=repository,
            broker=broker,
            token=AccessToken(workspace.token),
            budget=budget,
            decoder=decoder,
            embeddings=workspace.embeddings,
            hosts=hosts,
        )


def _make_usable(repository: ModelRepository) -> None:
    """Remove what a crash left, and put a model into a workspace that has none."""
    sweep_models(repository)
    install_first_model(repository)


def _folder(text: str) -> Path:
    if not text.strip():  # to Python, the folder that one is in
        raise argparse.ArgumentTypeError("it is empty; name a folder")
    return Path(text)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m backend", description="Servery's backend: labels, training, versions."
    )
    option = parser.add_argument
    option(
        "--workspace",
        type=_folder,
        default=Workspace.default().root,
        help="folder of all state (default: %(default)s)",
    )
    option("--host", default="127.0.0.1", help="default: %(default)s")
    option(
        "--port", type=_port, default=DEFAULT_PORT, help="default: %(default)s; 0: any free port"
    )
    option("--exact-port", action="store_true", help="fail if that port is taken")
    option("--engine", default=AUTO, choices=ENGINE_CHOICES, help="default: %(default)s")
    option(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a host name, besides localhost, under which browsers may reach it (repeatable)",
    )
    # What only a program of Servery says that starts it.
    option("--started-by", default="", help=argparse.SUPPRESS)
    option(PARENT_PIPE_FLAG, type=int, help=argparse.SUPPRESS)
    option(
        "--memory-budget",
        type=_budget,
        default=DEFAULT_MEMORY_BUDGET,
        metavar="SIZE",
        help="memory that photos in flight may take; more of them wait, then are refused "
        f"(default: {format_bytes(DEFAULT_MEMORY_BUDGET)})",
    )
    limits = parser.add_argument_group("limits of HTTP connections")
    option = limits.add_argument
    option(
        "--max-connections",
        type=int,
        default=DEFAULT_LIMITS.connections,
        metavar="N",
        help="open at once; beyond, the one that waits longest is ended (default: %(default)s)",
    )
    option(
        "--head-seconds",
        type=float,
        default=DEFAULT_LIMITS.head_seconds,
        metavar="S",
        help="in which the head of a request arrives (default: %(default)s)",
    )
    option(
        "--body-seconds",
        type=float,
        default=DEFAULT_LIMITS.body_seconds,
        metavar="S",
        help="longest pause within a request's body or its response (default: %(default)s)",
    )
    return parser.parse_args()


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is not a port, which is from 0 to {LAST_PORT}")
    return int(text)


def _budget(text: str) -> int:
    try:
        return parse_memory_budget(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
