"""The whole backend in this process: real store, real repository, made-up answers and worker."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp

from backend.application import open_application
from backend.canary.canaries import Canaries
from backend.client import BackendClient
from backend.contract import DEFAULT_MEMORY_BUDGET
from backend.events import EventBroker
from backend.photos.budget import PhotoBudget
from backend.photos.request_queue import RequestQueue
from backend.rollouts import Rollouts
from backend.server import Server, listening_socket
from backend.store.store import Store
from backend.trainer_proxy import TrainerLink
from backend.training.trainer import Trainer
from serving.fleet.version_trial import UnusableVersion
from serving.fleet.view import FleetView
from serving.models.card import CARD_PATH, ModelCard
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.predict.prediction import Prediction, Score
from serving.workspace import Workspace
from tests.support.databases import rows
from tests.support.fleet_views import fleet_view

MODEL = "farm"
CLASSES = ("bird", "cat", "dog")
URL = "http://127.0.0.1:8080"


def add_version(
    repository: ModelRepository,
    classes: tuple[str, ...] = CLASSES,
    model: str = MODEL,
    other_names: dict[str, list[str]] | None = None,
) -> int:
    """Put a version that only looks like one into the repository; returns its number."""
    with staged_version(repository, model) as staged:
        (staged / CARD_PATH).parent.mkdir()
        card = ModelCard(
            model,
            classes,
            other_names=other_names or {},
            metrics={"accuracy": 0.8, "measured_on": "test files"},
        )
        (staged / CARD_PATH).write_text(card.to_json())
        (staged / "saved_model.pb").write_bytes(b"graph")
        return commit_version(repository, model, staged).number


def repository_with_live_version(workspace: Workspace) -> ModelRepository:
    repository = ModelRepository(workspace.models)
    add_version(repository)
    repository.promote(MODEL, 1)
    return repository


def promotions(workspace: Workspace, database: str = "") -> list[tuple[str, int, str | None, str]]:
    """Return what the database remembers of promotions, newest first."""
    return rows(
        workspace,
        database,
        "SELECT model, version, training_run, created FROM decisions"
        " WHERE decision = 'promoted' ORDER BY id DESC",
    )


FINE_TUNING_SCRIPT = "fine_tuning.py"
"""Beside the worker: the program that fine-tunes in these tests."""


def write_worker(path: Path, body: str) -> None:
    """Write a worker, or a program that fine-tunes.

    It knows `spec`, `send(message)` and the names in `worker_protocol.py`.
    """
    path.write_text(
        "import sys, time, os, shutil\n"
        "from pathlib import Path\n"
        "from backend.training.worker_protocol import *\n"
        "spec = TrainingSpec.read(Path(sys.argv[1]))\n"
        "def send(message): print(to_line(message), end='', flush=True)\n" + textwrap.dedent(body)
    )


@dataclass
class FakeClassifier:
    """A classifier that answers what a test sets, and keeps what it received."""

    scores: tuple[Score, ...] = (Score("cat", 0.9), Score("dog", 0.1))
    familiarity: float | None = None
    failure: Exception | None = None
    received: list[bytes] = field(default_factory=list)
    models: list[str | None] = field(default_factory=list)

    async def classify(
        self, jpeg: bytes, model: str | None = None, *, version: int | None = None
    ) -> Prediction:
        self.received.append(jpeg)
        self.models.append(model)
        if self.failure is not None:
            raise self.failure
        return Prediction(model or MODEL, version or 1, self.scores, "one", 2.5, self.familiarity)


@dataclass
class RepositorySwitch:
    """Changes which models are served where there is no instance to wait for."""

    repository: ModelRepository
    unusable: str = ""
    """What is wrong with every version."""

    async def try_version(self, version: Version) -> None:
        if self.unusable:
            raise UnusableVersion(self.unusable, "Promote another version.")

    async def use(self, model: str) -> None:
        self.repository.change_served(lambda served: replace(served, current=model))

    async def serve(self, model: str) -> None:
        self.repository.change_served(lambda served: replace(served, also=(*served.also, model)))

    async def unserve(self, model: str) -> None:
        self.repository.change_served(
            lambda served: replace(served, also=tuple(n for n in served.also if n != model))
        )


@dataclass
class FakeFleet:
    ready: int = 1
    view: FleetView = field(default_factory=lambda: fleet_view())
    now: float = 1000.0
    """Seconds; time stands still until a test moves it."""


@dataclass
class FakePeer:
    """Who calls the backend: there is no socket whose owner could be looked up."""

    owner: int | None = field(default_factory=os.getuid)


@dataclass
class BackendEnv:
    app: FastAPI
    workspace: Workspace
    database: str
    """The URL of what labels are kept in; empty for SQLite."""
    store: Store
    repository: ModelRepository
    classifier: FakeClassifier
    fleet: FakeFleet
    trainer: Trainer
    switch: RepositorySwitch
    broker: EventBroker
    peer: FakePeer
    canaries: Canaries
    rollouts: Rollouts
    queue: RequestQueue


@asynccontextmanager
async def open_backend_env(
    workspace: Workspace,
    worker: Path,
    database: str = "",
    trainer_link: TrainerLink | None = None,
) -> AsyncIterator[BackendEnv]:
    """Open everything that the HTTP application stands on.

    `worker` is the program that carries out training runs; for `database` see `Store`, for
    `trainer_link` `create_app`.
    """
    repository = ModelRepository(workspace.models)
    store, broker, peer = Store(workspace, database), EventBroker(), FakePeer()
    classifier, fleet, queue = FakeClassifier(), FakeFleet(), RequestQueue()
    await store.open()
    trainer = Trainer(
        store=store,
        repository=repository,
        workspace=workspace,
        broker=broker,
        worker=[sys.executable, str(worker)],
        fine_tuning=[sys.executable, str(worker.with_name(FINE_TUNING_SCRIPT))],
    )
    switch = RepositorySwitch(repository)
    async with open_application(
        workspace=workspace,
        repository=repository,
        store=store,
        broker=broker,
        trainer=trainer,
        switch=switch,
        classifier=classifier,
        view=lambda: fleet.view,
        ready_instances=lambda: fleet.ready,
        budget=PhotoBudget.of(DEFAULT_MEMORY_BUDGET),
        owner_of=lambda client, server: peer.owner,
        monotonic=lambda: fleet.now,
        queue=queue,
        trainer_link=trainer_link,
    ) as parts:
        yield BackendEnv(
            app=parts.app,
            workspace=workspace,
            database=database,
            store=store,
            repository=repository,
            classifier=classifier,
            fleet=fleet,
            trainer=trainer,
            switch=switch,
            broker=broker,
            peer=peer,
            canaries=parts.canaries,
            rollouts=parts.rollouts,
            queue=queue,
        )
    await store.close()


@dataclass
class Service(BackendEnv):
    """The backend, and two ways to call it without a socket."""

    http: httpx.AsyncClient
    client: BackendClient


@pytest.fixture
def worker_script(tmp_path: Path) -> Path:
    """The program that the trainer runs as its worker; a test writes what it does."""
    path = tmp_path / "worker.py"
    path.write_text("raise SystemExit('no worker was written')\n")
    return path


@pytest.fixture
async def service(
    workspace: Workspace, worker_script: Path, database: str
) -> AsyncIterator[Service]:
    repository_with_live_version(workspace)
    async with open_backend_env(workspace, worker_script, database) as env:
        transport = httpx.ASGITransport(env.app, raise_app_exceptions=False)
        async with (
            httpx.AsyncClient(transport=transport, base_url=URL) as http,
            BackendClient(URL, transport=transport) as client,
        ):
            yield Service(**vars(env), http=http, client=client)


class _ServerOnThread(Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def backend_on_thread(
    workspace: Workspace,
    worker: Path,
    port: int = 0,
    database: str = "",
    wrapped: Callable[[FastAPI], ASGIApp] = lambda app: app,
) -> Iterator[str]:
    """Serve `workspace` on a thread until the end of the block; yields the address.

    `wrapped` may put something in front of the application.
    """
    servers: list[_ServerOnThread] = []
    listening = threading.Event()

    async def serve() -> None:
        async with open_backend_env(workspace, worker, database) as env:
            servers.append(_ServerOnThread(wrapped(env.app), listening.set, env.broker.close))
            await servers[0].serve([listener])

    with listening_socket("127.0.0.1", port) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(serve()), name="backend")
        thread.start()
        assert listening.wait(60)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            servers[0].should_exit = True
            thread.join(60)
            assert not thread.is_alive()
