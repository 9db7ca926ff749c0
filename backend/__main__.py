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
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from backend.contract import DEFAULT_PORT
from backend.events import EventBroker
from backend.http_app import create_app
from backend.run_file import AlreadyRunning, BackendRunFile, backend_lock
from backend.server import Server, listening_socket
from backend.store.store import Store
from backend.training.trainer import Trainer
from serving.engines.choose import awaited_engine, engine_with_instances
from serving.engines.names import AUTO, ENGINE_CHOICES
from serving.engines.switch import EngineSwitch
from serving.errors import ServeryError
from serving.fleet.fleet import Fleet
from serving.models.repository import ModelRepository
from serving.models.starter.install import STARTER_MODEL, install_starter
from serving.predict.client import PredictClient
from serving.workspace import Workspace

EXIT_FAILED = 1
EXIT_ALREADY_RUNNING = 3
GRACE_SECONDS = 5
"""How long requests may go on after the program was asked to end."""
FOLLOW_SECONDS = 2.0
"""Between two looks where the instances run."""
REWATCH_SECONDS = 1.0

_log = logging.getLogger("backend")


class FleetSide:
    """What the backend knows of the fleet: it watches, and changes nothing."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    @property
    def ready(self) -> int:
        return self._fleet.view.ready


@asynccontextmanager
async def application(
    workspace: Workspace, model: str, engine_name: str, hosts: Sequence[str], broker: EventBroker
) -> AsyncIterator[FastAPI]:
    """Build everything in order, and take it down in the reverse order."""
    async with AsyncExitStack() as stack:
        repository = ModelRepository(workspace.models)
        if model == STARTER_MODEL:
            await asyncio.to_thread(install_starter, repository)
        store = Store(workspace)
        await store.open()
        stack.push_async_callback(store.close)
        classifier = PredictClient(model, timeout=5.0)
        stack.push_async_callback(classifier.close)
        engine = EngineSwitch(await awaited_engine(engine_name, workspace))
        stack.push_async_callback(engine.close)
        fleet = Fleet(model, engine, repository, workspace, classifier)
        await stack.enter_async_context(_going_on(_keep_watching(fleet)))
        await stack.enter_async_context(_going_on(_follow_instances(engine, workspace)))
        trainer = Trainer(
            model=model, store=store, repository=repository, workspace=workspace, broker=broker
        )
        await trainer.open()
        stack.push_async_callback(trainer.close)
        yield create_app(
            model=model,
            store=store,
            classifier=classifier,
            fleet=FleetSide(fleet),
            trainer=trainer,
            repository=repository,
            broker=broker,
            hosts=hosts,
        )


async def serve(arguments: argparse.Namespace) -> None:
    """Run until a signal ends it; raises ServeryError where it cannot begin."""
    workspace = Workspace(arguments.workspace.expanduser().resolve()).create()
    with backend_lock(workspace), listening_socket(arguments.host, arguments.port) as listener:
        host, port = listener.getsockname()[:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        url = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
        broker = EventBroker()
        hosts = tuple(arguments.allow_host)
        async with application(workspace, arguments.model, arguments.engine, hosts, broker) as app:
            config = uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
                server_header=False,
            )

            def listening() -> None:
                BackendRunFile(os.getpid(), url).write(workspace)
                print(f"The backend listens at {url}", flush=True)

            await Server(config, listening, broker.close).serve([listener])


@asynccontextmanager
async def _going_on(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _follow_instances(switch: EngineSwitch, workspace: Workspace) -> None:
    """Watch the other engine too once somebody moves the fleet there."""
    while True:
        await asyncio.sleep(FOLLOW_SECONDS)
        try:
            other = await engine_with_instances(switch.current, workspace)
        except Exception:
            _log.exception("Looking for the engine with the instances failed")
            continue
        if other is not None:
            switch.switch_to(other)
        for left in await switch.release_idle():
            await left.close()


async def _keep_watching(fleet: Fleet) -> None:
    while True:
        try:
            await fleet.watch()
        except ServeryError as error:
            _log.warning("The fleet cannot be watched: %s", error)
        except Exception:
            _log.exception("Watching the fleet failed")
        await asyncio.sleep(REWATCH_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m backend", description="Servery's backend: labels, training, versions."
    )
    parser.add_argument(
        "--workspace",
        type=Path,
        default=Workspace.default().root,
        help="folder of all state (default: %(default)s)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="default: %(default)s; 0: any free one"
    )
    parser.add_argument("--model", default=STARTER_MODEL, help="default: %(default)s")
    parser.add_argument("--engine", default=AUTO, choices=ENGINE_CHOICES, help=f"default: {AUTO}")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name, besides localhost, under which browsers may reach it (repeatable)",
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request otherwise
    try:
        asyncio.run(serve(arguments))
    except AlreadyRunning as error:
        print(error, file=sys.stderr)
        return EXIT_ALREADY_RUNNING
    except ServeryError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
