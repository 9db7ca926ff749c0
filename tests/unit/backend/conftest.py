"""The whole service in this process: real store, real repository, answers made up."""

from __future__ import annotations

import io
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from backend.client import BackendClient
from backend.events import EventBroker
from backend.http_app import create_app
from backend.store.store import Store
from backend.training.trainer import Trainer
from serving.models.card import CARD_PATH, ModelCard
from serving.models.repository import ModelRepository
from serving.predict.prediction import Prediction, Score
from serving.workspace import Workspace

MODEL = "starter"
CLASSES = ("bird", "cat", "dog")
URL = "http://127.0.0.1:8080"


def image_bytes(colour: str = "teal", side: int = 24, kind: str = "JPEG") -> bytes:
    """Return an image file of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, kind)
    return out.getvalue()


def add_version(repository: ModelRepository, classes: tuple[str, ...] = CLASSES) -> int:
    """Put a version that only looks like one into the repository; returns its number."""
    with repository.staged(MODEL) as staged:
        (staged / CARD_PATH).parent.mkdir()
        card = ModelCard(MODEL, classes, metrics={"accuracy": 0.8, "measured_on": "test files"})
        (staged / CARD_PATH).write_text(card.to_json())
        (staged / "saved_model.pb").write_bytes(b"graph")
        return repository.adopt(MODEL, staged).number


@dataclass
class FakeClassifier:
    """A classifier that says what it was told to, and keeps what it was asked."""

    scores: tuple[Score, ...] = (Score("cat", 0.9), Score("dog", 0.1))
    failure: Exception | None = None
    received: list[bytes] = field(default_factory=list)

    async def classify(self, jpeg: bytes) -> Prediction:
        self.received.append(jpeg)
        if self.failure is not None:
            raise self.failure
        return Prediction(MODEL, 1, self.scores, "one", 2.5)


@dataclass
class FakeFleet:
    ready: int = 1


@dataclass
class Service:
    """Everything a test may want to look at."""

    app: FastAPI
    workspace: Workspace
    store: Store
    repository: ModelRepository
    classifier: FakeClassifier
    fleet: FakeFleet
    trainer: Trainer
    broker: EventBroker
    http: httpx.AsyncClient
    client: BackendClient


@pytest.fixture
def worker_script(tmp_path: Path) -> Path:
    """The program that the trainer runs as its worker; a test writes what it does."""
    path = tmp_path / "worker.py"
    path.write_text("raise SystemExit('no worker was written')\n")
    return path


def write_worker(path: Path, body: str) -> None:
    """Write a worker that knows `spec`, `send(message)` and the names in `worker_protocol.py`."""
    path.write_text(
        "import sys, time, os, shutil\n"
        "from pathlib import Path\n"
        "from backend.training.worker_protocol import *\n"
        "spec = TrainingSpec.read(Path(sys.argv[1]))\n"
        "def send(message): print(to_line(message), end='', flush=True)\n" + textwrap.dedent(body)
    )


@pytest.fixture
async def service(workspace: Workspace, worker_script: Path) -> AsyncIterator[Service]:
    repository = ModelRepository(workspace.models)
    add_version(repository)
    repository.promote(MODEL, 1)
    store = Store(workspace)
    await store.open()
    broker = EventBroker()
    trainer = Trainer(
        model=MODEL,
        store=store,
        repository=repository,
        workspace=workspace,
        broker=broker,
        worker=[sys.executable, str(worker_script)],
    )
    await trainer.open()
    classifier, fleet = FakeClassifier(), FakeFleet()
    app = create_app(
        model=MODEL,
        store=store,
        classifier=classifier,
        ready_instances=lambda: fleet.ready,
        trainer=trainer,
        repository=repository,
        broker=broker,
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        httpx.AsyncClient(transport=transport, base_url=URL) as http,
        BackendClient(URL, transport=transport) as client,
    ):
        yield Service(
            app,
            workspace,
            store,
            repository,
            classifier,
            fleet,
            trainer,
            broker,
            http,
            client,
        )
    await trainer.close()
    await store.close()
