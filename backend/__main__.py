"""`python -m backend`: the backend as a program."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI

from backend.application import open_application
from backend.arguments import parse_arguments
from backend.contract import (
    DATABASE_VARIABLE,
    EXIT_ALREADY_RUNNING,
    database_name,
)
from backend.ending import Shutdown, ending
from backend.event_relay import EventRelay, all_events
from backend.events import EventBroker
from backend.fleet_switch import FleetSwitch
from backend.fleet_watch import follow_engine, publish_faults, watch_fleet
from backend.model_images.after_promotion import ImagesAfterPromotion
from backend.opening import keep_run_file, opened
from backend.photos.budget import PhotoBudget
from backend.photos.idle_memory import return_memory_when_idle
from backend.photos.request_queue import RequestQueue
from backend.role import (
    RoleOptions,
)
from backend.run_file import AlreadyRunning, BackendRunFile, backend_lock
from backend.server import Server, listening_socket, url_of
from backend.store.store import Store
from backend.sweeping import sweep_periodically
from backend.trainer_proxy import TrainerLink
from backend.training.trainer import Trainer
from backend.training.triggers import TrainingTriggers
from serving.access_token import AccessToken, environment_token
from serving.background import in_background
from serving.engines.choose import awaited_engine
from serving.engines.external import ExternalEngine
from serving.engines.instance_addresses import (
    InstanceAddresses,
    InstanceSource,
)
from serving.engines.switch import EngineSwitch
from serving.errors import ServeryError, system_error
from serving.fleet.fleet import Fleet
from serving.fleet.switch_model import end_interrupted_switch
from serving.http.limits import HttpLimits
from serving.listen_address import ListenAddress, checked_host_name
from serving.model_server.log_limit import limit_own_log
from serving.models.builtin.install import install_first_model
from serving.models.pruning import sweep_models
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.private import set_private_umask
from serving.process_identity import process_identity
from serving.secret_setting import secret_setting
from serving.text.log_lines import log_lines, print_line
from serving.tls_certificate import CertificateFiles
from serving.workspace import Workspace

EXIT_FAILED = 1

log = logging.getLogger(__name__)


def main() -> int:
    set_private_umask()
    log_lines("%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        arguments = parse_arguments()
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
    database = arguments.database or secret_setting(DATABASE_VARIABLE)
    options = RoleOptions(arguments.role, arguments.trainer)
    options.check(database)
    workspace = Workspace.named(arguments.workspace).create()
    store = Store(workspace, database)
    if options.changes_models:
        # Whatever came into it by other ways since: a copy that was put back, a wide umask.
        await asyncio.to_thread(workspace.restrict_access)
    environment_token()  # says what is wrong with it
    address = ListenAddress.resolve(arguments.host)
    address.check(AccessToken(workspace.token))
    tls = None
    if arguments.tls_certificate is not None:
        tls = CertificateFiles(arguments.tls_certificate, arguments.tls_key).context()
    if warning := address.warning(encrypted=tls is not None):
        log.warning("%s", warning)
    hosts = [checked_host_name(name) for name in arguments.allow_host]
    owner_pid = os.getppid()
    owner_identity = process_identity(owner_pid)
    broker = EventBroker()
    with (
        # Of the others, many may run in one workspace; programs of Servery look for this one.
        backend_lock(workspace) if options.changes_models else contextlib.nullcontext(),
        listening_socket(address.host, arguments.port, exact_port=arguments.exact_port) as listener,
    ):
        url = url_of(listener, encrypted=tls is not None)

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
            database=database_name(database),
        )

        def on_listening() -> None:
            if options.changes_models:
                with contextlib.suppress(OSError):  # tried again by `keep_run_file`
                    run_file.write(workspace)
                listening.set()
            print_line(f"The backend listens at {url}")

        budget = PhotoBudget.of(arguments.memory_budget)
        async with application(
            workspace,
            store,
            options,
            arguments.engine,
            hosts,
            broker,
            budget,
            arguments.instances,
            RequestQueue(arguments.queue_limit),
        ) as app:
            limits = HttpLimits(
                connections=arguments.max_connections,
                head_seconds=arguments.head_seconds,
                body_seconds=arguments.body_seconds,
                response_seconds=arguments.body_seconds,
            )
            server = Server(app, on_listening, broker.close, limits, tls)
            shutdown.set_server(server)
            async with in_background(keep_run_file(workspace, run_file, listening)):
                await server.serve([listener])


@asynccontextmanager
async def application(
    workspace: Workspace,
    store: Store,
    options: RoleOptions,
    engine_name: str,
    hosts: Sequence[str],
    broker: EventBroker,
    budget: PhotoBudget,
    instances: Sequence[InstanceSource] = (),
    queue: RequestQueue | None = None,
) -> AsyncIterator[FastAPI]:
    """Build everything in order, and take it down in the reverse order.

    `instances` says where those are that somebody else manages, in place of an engine's.
    """
    async with AsyncExitStack() as stack:
        background = partial(_in_background, stack)
        repository = ModelRepository(workspace.models)
        stack.push_async_callback(store.close)
        classifier = PredictClient(repository.served, canaries=repository.canaries, timeout=5.0)
        stack.push_async_callback(classifier.close)
        # First, so that the fleet finds a model; the rest comes where everything is built.
        make_usable = partial(asyncio.to_thread, _make_usable, repository)
        first = make_usable if options.changes_models else store.open
        await stack.enter_async_context(opened((first,)))
        engine = EngineSwitch(
            ExternalEngine(InstanceAddresses(instances))
            if instances
            else await awaited_engine(engine_name, workspace)
        )
        stack.push_async_callback(engine.close)
        fleet = Fleet(engine, repository, workspace, classifier)
        stack.callback(publish_faults(fleet, broker))
        if options.changes_models:
            await background(end_interrupted_switch(repository))
            await background(sweep_periodically(workspace))
        await background(watch_fleet(fleet))
        if not instances:
            await background(follow_engine(fleet, engine, workspace))
        trainer = Trainer(store=store, repository=repository, workspace=workspace, broker=broker)
        await background(return_memory_when_idle(budget))
        link = None
        if not options.changes_models:
            link = TrainerLink(options.trainer, AccessToken(workspace.token))
        parts = await stack.enter_async_context(
            open_application(
                workspace=workspace,
                repository=repository,
                store=store,
                broker=broker,
                trainer=trainer,
                switch=FleetSwitch(fleet, repository),
                classifier=classifier,
                view=lambda: fleet.view,
                ready_instances=lambda: fleet.view.can_answer,
                budget=budget,
                queue=queue,
                hosts=hosts,
                trainer_link=link,
            )
        )
        if store.notifications is not None:
            everything = partial(all_events, repository.models)
            await background(EventRelay(store.notifications, broker, everything).run())
        if options.changes_models:
            shared = store.notifications is not None
            triggers = TrainingTriggers(store, trainer, broker, repository.models, shared=shared)
            await background(triggers.run())
            await background(parts.canaries.run())
            await background(parts.promotions.run())
            promotions = ImagesAfterPromotion(repository, parts.images, broker)
            await background(promotions.run())
        stack.callback(fleet.subscribe(lambda _: parts.rollouts.wake()))
        await background(parts.rollouts.run())
        yield parts.app


async def _in_background(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    await stack.enter_async_context(in_background(work))


def _make_usable(repository: ModelRepository) -> None:
    """Remove what a crash left, and put a model into a workspace that has none."""
    sweep_models(repository)
    install_first_model(repository)


if __name__ == "__main__":
    sys.exit(main())
