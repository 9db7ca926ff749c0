"""The whole backend in this process: real store, real repository, made-up answers and worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from backend.canary.canaries import Canaries
from backend.client import BackendClient
from backend.contract import DEFAULT_MEMORY_BUDGET
from backend.events import EventBroker
from backend.http_app import create_app
from backend.labelling.suggestions import Suggestions
from backend.models.class_changes import ClassChanges
from backend.models.comparison import VersionComparison
from backend.models.imports import PhotoImports
from backend.models.lifecycle import ModelLifecycle
from backend.models.names import ModelNames
from backend.photos.budget import PhotoBudget
from backend.photos.photo_decoder import PhotoDecoder
from backend.rollouts import Rollouts
from backend.server import Server, listening_socket
from backend.store.store import Store
from backend.training.trainer import Trainer
from serving.access_token import AccessToken
from serving.fleet.version_trial import UnusableVersion
from serving.fleet.view import FleetView
from serving.models.card import CARD_PATH, ModelCard
from serving.models.repository import ModelRepository, Version
from serving.models.staging import adopt_version, staged_version
from serving.predict.prediction import Prediction, Score
from serving.workspace import Workspace
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
        return adopt_version(repository, model, staged).number


def repository_with_live_version(workspace: Workspace) -> ModelRepository:
    repository = ModelRepository(workspace.models)
    add_version(repository)
    repository.promote(MODEL, 1)
    return repository


def promotions(workspace: Workspace) -> list[tuple[str, int, str | None, str]]:
    """Return what the database remembers of promotions, newest first."""
    with contextlib.closing(sqlite3.connect(workspace.backend_database)) as database:
        return database.execute(
            "SELECT model, version, training_run, created FROM decisions"
            " WHERE decision = 'promoted' ORDER BY id DESC"
        ).fetchall()


def write_worker(path: Path, body: str) -> None:
    """Write a worker that knows `spec`, `send(message)` and the names in `worker_protocol.py`."""
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

    async def classify(self, jpeg: bytes, model: str | None = None) -> Prediction:
        self.received.append(jpeg)
        self.models.append(model)
        if self.failure is not None:
            raise self.failure
        return Prediction(model or MODEL, 1, self.scores, "one", 2.5, self.familiarity)


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


@asynccontextmanager
async def open_backend_env(workspace: Workspace, worker: Path) -> AsyncIterator[BackendEnv]:
    """Open everything that the HTTP application stands on.

    `worker` is the program that carries out training runs.
    """
    repository = ModelRepository(workspace.models)
    store, broker, peer = Store(workspace), EventBroker(), FakePeer()
    classifier, fleet = FakeClassifier(), FakeFleet()
    await store.open()
    trainer = Trainer(
        store=store,
        repository=repository,
        workspace=workspace,
        broker=broker,
        worker=[sys.executable, str(worker)],
    )
    names, switch = ModelNames(repository, store), RepositorySwitch(repository)
    lifecycle = ModelLifecycle(
        repository=repository,
        store=store,
        trainer=trainer,
        names=names,
        switch=switch,
        broker=broker,
    )
    class_changes = ClassChanges(
        repository=repository,
        store=store,
        trainer=trainer,
        switch=switch,
        broker=broker,
        workspace=workspace,
    )
    await class_changes.open()
    await lifecycle.open()
    await trainer.open()
    canaries = Canaries(
        repository=repository,
        store=store,
        switch=switch,
        broker=broker,
        view=lambda: fleet.view,
        monotonic=lambda: fleet.now,
    )
    rollouts = Rollouts(lambda: fleet.view, broker, lambda: fleet.now)
    imports = PhotoImports(trainer, workspace)
    await imports.open()
    budget = PhotoBudget.of(DEFAULT_MEMORY_BUDGET)
    decoder = PhotoDecoder(budget)
    app = create_app(
        store=store,
        classifier=classifier,
        ready_instances=lambda: fleet.ready,
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
        owner_of=lambda client, server: peer.owner,
    )
    yield BackendEnv(
        app=app,
        workspace=workspace,
        store=store,
        repository=repository,
        classifier=classifier,
        fleet=fleet,
        trainer=trainer,
        switch=switch,
        broker=broker,
        peer=peer,
        canaries=canaries,
        rollouts=rollouts,
    )
    await decoder.close()
    await trainer.close()
    await lifecycle.close()
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
async def service(workspace: Workspace, worker_script: Path) -> AsyncIterator[Service]:
    repository_with_live_version(workspace)
    async with open_backend_env(workspace, worker_script) as env:
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
def backend_on_thread(workspace: Workspace, worker: Path, port: int = 0) -> Iterator[str]:
    """Serve `workspace` on a thread until the end of the block; yields the address."""
    servers: list[_ServerOnThread] = []
    listening = threading.Event()

    async def serve() -> None:
        async with open_backend_env(workspace, worker) as env:
            servers.append(_ServerOnThread(env.app, listening.set, env.broker.close))
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
